//! What was found, as JSON: what `fpn detect --json` writes, and the page in the browser.

use serde::Serialize;

use crate::detections::{Detection, Detections};
use crate::detector::Detector;

/// The detections in some pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report<'a> {
    /// Name of the architecture.
    pub model: &'a str,
    /// Where it ran: `cpu`, or the adapter's name.
    pub device: &'a str,
    /// In the order they were given.
    pub images: Vec<Picture<'a>>,
}

/// One picture of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Picture<'a> {
    /// Where it came from, as it was given.
    pub file: String,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Best first.
    pub detections: &'a [Detection],
}

/// What comes before the frames of a video, a line each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoReport<'a> {
    /// Name of the architecture.
    pub model: &'a str,
    /// Where it ran: `cpu`, or the adapter's name.
    pub device: &'a str,
    /// Where it came from, as it was given.
    pub file: &'a str,
    /// Frames per second, the usual number where it varies.
    pub rate: f64,
}

/// One frame of a video.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrameReport<'a> {
    /// Its number; the first has 0.
    pub frame: u64,
    /// Seconds since the first.
    pub time: f64,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Best first.
    pub detections: &'a [Detection],
}

impl<'a> Report<'a> {
    /// What `detector` found in pictures that came from the places named.
    pub fn new(
        detector: &'a Detector,
        found: impl IntoIterator<Item = (String, &'a Detections)>,
    ) -> Self {
        let images = found.into_iter().map(|(file, found)| Picture {
            file,
            width: found.width,
            height: found.height,
            detections: &found.items,
        });
        Self {
            model: detector.config().architecture.name(),
            device: detector.device_name(),
            images: images.collect(),
        }
    }
}
