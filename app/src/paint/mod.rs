//! What is drawn in more than one place: colours, heat maps, boxes.

mod boxes;
mod colours;
mod heat;

pub use boxes::{dashed, label, outline};
pub use colours::{class_colour, heat_colour, ink_on, level_colour, text_colour};
pub use heat::{Heat, HeatMaps, Range, Values};
