//! The JSON of `fpn detect --json`, read strictly.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub model: String,
    pub device: String,
    pub images: Vec<Picture>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    pub file: String,
    pub width: usize,
    pub height: usize,
    pub detections: Vec<Found>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    pub label: usize,
    pub name: String,
    pub score: f32,
    pub level: usize,
    pub landmarks: Option<Vec<[f32; 2]>>,
}
