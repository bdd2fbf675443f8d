//! The viewer as its user has it: widgets are found by their names, pictures are drawn by this machine's adapter. What
//! was drawn is left in target/viewer, to be looked at.

mod detections;
mod files;
mod panels;
mod support;
