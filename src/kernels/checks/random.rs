//! Random inputs out of a seed.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::kernels::Layout;

/// A stream of random numbers, the same on every machine.
pub struct Random(Pcg64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// Any word.
    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below `limit`, which is above 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit)
    }

    /// A float between two others.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0.random_range(low..high)
    }

    /// The bits of floats between -1 and 1.
    pub fn floats(&mut self, count: usize) -> Vec<u32> {
        (0..count)
            .map(|_| self.between(-1.0, 1.0).to_bits())
            .collect()
    }

    /// The bits of a tensor of floats between -1 and 1, and `filler` where channels only fill a block up.
    pub fn tensor(&mut self, layout: &Layout, filler: u32) -> Vec<u32> {
        let mut words = vec![filler; layout.all_blocks() * 4];
        for (place, value) in layout.places().zip(self.floats(layout.len())) {
            words[place] = value;
        }
        words
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
