//! Random inputs out of a seed.

use crate::weights::Stream;

/// A stream of random numbers, the same on every machine.
pub struct Random {
    stream: Stream,
    next: u64,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            stream: Stream::new(seed, "verify"),
            next: 0,
        }
    }

    fn bits(&mut self) -> u64 {
        self.next += 1;
        self.stream.bits(self.next)
    }

    /// Any word.
    pub fn word(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// A number below `limit`, which is above 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// A float between two others.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        self.next += 1;
        low + (high - low) * (self.stream.symmetric(self.next) as f32 + 1.0) / 2.0
    }

    /// The bits of floats between -1 and 1.
    pub fn floats(&mut self, count: usize) -> Vec<u32> {
        (0..count)
            .map(|_| self.between(-1.0, 1.0).to_bits())
            .collect()
    }

    /// A box of sides up to `longest` whose centre lies in a picture of `[height, width]`.
    pub fn bbox(&mut self, [height, width]: [usize; 2], longest: f32) -> [f32; 4] {
        let (x, y) = (
            self.between(0.0, width as f32),
            self.between(0.0, height as f32),
        );
        let (w, h) = (self.between(1.0, longest), self.between(1.0, longest));
        [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
    }
}
