//! Comparing what comes out of each stage of a model.

use burn::tensor::Tensor;

use crate::support::{TensorFile, assert_close, sample};

/// How far a value may be off, as a part of the stage's largest: three times what f32 sums in
/// another order are found to leave after 152 layers (3.4e-6).
const TOLERANCE: f32 = 1e-5;

/// Values that a golden keeps of each stage.
const SAMPLES: usize = 256;

/// The goldens of one case.
pub struct Stages<'a> {
    pub case: &'a str,
    pub golden: &'a TensorFile,
}

impl Stages<'_> {
    /// Compare a stage's shape and the values that the golden keeps of it.
    pub fn compare<const D: usize>(&self, stage: &str, found: &Tensor<D>) {
        let label = format!("{} {stage}", self.case);
        let shape = self.golden.counts(&format!("{stage}.shape"));
        assert_eq!(found.dims().to_vec(), shape, "{label}");
        let values: Vec<f32> = found.to_data().try_to_vec().expect("maps hold f32");
        let expected = self.golden.floats(&format!("{stage}.sample"));
        assert_close(&label, &sample(&values, SAMPLES), &expected, TOLERANCE);
    }

    /// Compare a stage that is a map a level.
    pub fn compare_levels(
        &self,
        name: impl Fn(usize) -> String,
        maps: &[Tensor<4>],
        finest: usize,
    ) {
        for (level, map) in (finest..).zip(maps) {
            self.compare(&name(level), map);
        }
    }
}
