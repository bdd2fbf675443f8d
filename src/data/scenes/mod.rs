//! Generated pictures with exact boxes: everyday shapes of very different sizes.
//!
//! A picture is a pure function of its seed. [`SceneSet`] is what to train on and to measure by: its
//! pictures look as taken by a camera. [`Scene`] draws the same without a camera, [`Animation`]
//! lets the shapes move.

mod animation;
mod background;
#[cfg(feature = "train")]
mod camera;
mod colour;
mod coverage;
mod figure;
mod projection;
mod scene;
#[cfg(feature = "train")]
mod set;
mod shape;
mod style;

pub use animation::{Animation, Hold};
pub use scene::Scene;
#[cfg(feature = "train")]
pub use set::SceneSet;
pub use shape::Shape;

/// A name for every label, the background's first.
pub fn class_names() -> Vec<String> {
    std::iter::once(super::BACKGROUND)
        .chain(Shape::ALL.map(Shape::name))
        .map(String::from)
        .collect()
}
