//! The built-in scene: shapes that drift, turn, come near and go far.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fpn_wgpu::data::scenes::{Animation, Hold};
use web_time::Instant;

use super::{Control, Frame, Source, SourceError};
use crate::platform;

/// Width and height in pixels.
const SIZE: [u32; 2] = [640, 480];

/// Which scene.
const SEED: u64 = 1;

/// Least time between two pictures.
const INTERVAL: Duration = Duration::from_millis(33);

/// Most time that passes in it between two pictures.
const LONGEST_STEP: Duration = Duration::from_millis(100);

/// Where a shape is held, by its label.
pub type Grip = BTreeMap<usize, Hold>;

/// The scene as a source.
pub struct SceneSource {
    animation: Animation,
    last: Option<Instant>,
    /// Seconds.
    time: f64,
    number: u64,
}

impl Default for SceneSource {
    fn default() -> Self {
        let [width, height] = SIZE;
        Self {
            animation: Animation::new(SEED, width, height),
            last: None,
            time: 0.0,
            number: 0,
        }
    }
}

impl Source for SceneSource {
    async fn next(&mut self, control: &Control) -> Result<Option<Frame>, SourceError> {
        if let Some(last) = self.last {
            platform::sleep(INTERVAL.saturating_sub(last.elapsed())).await;
            // However long it was paused.
            self.time += last.elapsed().min(LONGEST_STEP).as_secs_f64();
        }
        self.last = Some(Instant::now());
        self.animation.hold(control.grip());
        let example = self.animation.frame(self.time as f32);
        let number = self.number;
        self.number += 1;
        Ok(Some(Frame {
            number,
            time: self.time,
            objects: example.objects.into(),
            ..Frame::new(Arc::new(example.picture), "scene")
        }))
    }
}
