//! The parts of the window. Each draws the state and tells what the user wants.

pub mod bar;
pub mod found;
pub mod help;
pub mod levels;
pub mod messages;
pub mod model;
pub mod picture;
pub mod pipeline;
pub mod stages;
pub mod story;
pub mod tour;
pub mod transport;
