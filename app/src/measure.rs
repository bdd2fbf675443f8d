//! How long everything takes over some pictures, for `--measure`.

use std::time::Duration;

use serde::Serialize;
use web_time::Instant;

use crate::platform;
use crate::state::PictureTimes;

/// Pictures before the first that counts: until then something may still be made for the first time.
const WARM_UP: usize = 100;

/// What is collected.
pub struct Measurement {
    pictures: usize,
    times: Vec<PictureTimes>,
    /// Seconds of this thread that the window took for each of its frames.
    drawn: Vec<f32>,
    /// Seconds from each of the window's frames to the next.
    intervals: Vec<f32>,
    last: Option<Instant>,
    seen: usize,
    memory: Option<u64>,
    began: Instant,
    /// When the first picture was shown with what was found in it.
    first: Option<Instant>,
}

/// What comes out, as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Pictures that were measured, after those of the warm-up.
    pub pictures: usize,
    /// The window's frames in that time.
    pub frames: usize,
    /// Milliseconds from the window's beginning to the first boxes.
    pub first_ms: f32,
    /// Milliseconds of it that the detector took to load.
    pub load_ms: f32,
    /// Milliseconds that the window's thread worked on a frame.
    pub window_ms: Spread,
    /// Milliseconds from one of the window's frames to the next, where each is followed by another at once.
    pub interval_ms: Spread,
    /// Milliseconds that the detector took for a picture.
    pub detector_ms: Spread,
    /// Milliseconds from when the source gave a picture to when it was to be drawn.
    pub source_to_window_ms: Spread,
    /// Resident memory in millions of bytes, after the warm-up and at the end, where the system tells.
    pub memory_mb: Option<[f64; 2]>,
}

/// Of many values.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The one in the middle.
    pub median: f32,
    /// Not more than a twentieth are above it.
    pub p95: f32,
    /// The largest.
    pub most: f32,
}

impl Spread {
    /// Of seconds, in milliseconds.
    fn of(seconds: impl Iterator<Item = f32>) -> Self {
        let mut all: Vec<f32> = seconds.map(|seconds| seconds * 1e3).collect();
        all.sort_by(f32::total_cmp);
        let at = |share: f32| {
            let index = (share * all.len() as f32) as usize;
            all.get(index.min(all.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0.0)
        };
        Self {
            median: at(0.5),
            p95: at(0.95),
            most: at(1.0),
        }
    }
}

impl Measurement {
    /// Over so many pictures after the warm-up.
    pub fn new(pictures: usize) -> Self {
        Self {
            pictures,
            times: Vec::with_capacity(pictures),
            drawn: Vec::new(),
            intervals: Vec::new(),
            last: None,
            seen: 0,
            memory: None,
            began: Instant::now(),
            first: None,
        }
    }

    /// The window drew a frame in so many seconds.
    pub fn drew(&mut self, seconds: f32) {
        let now = Instant::now();
        let last = self.last.replace(now);
        if let (true, Some(last)) = (self.seen > WARM_UP, last) {
            self.drawn.push(seconds);
            self.intervals.push(now.duration_since(last).as_secs_f32());
        }
    }

    /// A picture was shown; what was measured, when it was the last.
    pub fn saw(&mut self, times: PictureTimes, loaded_in: Duration) -> Option<Measured> {
        self.seen += 1;
        let first = *self.first.get_or_insert_with(Instant::now);
        if self.seen == WARM_UP {
            self.memory = platform::resident_bytes();
        }
        if self.seen <= WARM_UP {
            return None;
        }
        self.times.push(times);
        let memory =
            || Some([self.memory?, platform::resident_bytes()?].map(|bytes| bytes as f64 / 1e6));
        (self.times.len() >= self.pictures).then(|| Measured {
            pictures: self.times.len(),
            frames: self.drawn.len(),
            first_ms: first.duration_since(self.began).as_secs_f32() * 1e3,
            load_ms: loaded_in.as_secs_f32() * 1e3,
            window_ms: Spread::of(self.drawn.iter().copied()),
            interval_ms: Spread::of(self.intervals.iter().copied()),
            detector_ms: Spread::of(self.times.iter().map(|times| times.detected)),
            source_to_window_ms: Spread::of(self.times.iter().map(|times| times.latency)),
            memory_mb: memory(),
        })
    }
}
