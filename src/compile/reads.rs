//! What a chain reads, put together value by value.

use crate::kernels::chain::{Read, View};
use crate::plan::ValueId;

/// The values that a chain binds, each once, and how it reads them.
#[derive(Default)]
pub struct Reads {
    /// What is bound.
    pub inputs: Vec<ValueId>,
    /// What is read, in the order in which it was asked for.
    pub reads: Vec<Read>,
}

impl Reads {
    /// Read a value through a view: which of the reads that is.
    pub fn read(&mut self, value: ValueId, view: View) -> usize {
        let known = self.inputs.iter().position(|input| *input == value);
        let input = known.unwrap_or_else(|| {
            self.inputs.push(value);
            self.inputs.len() - 1
        });
        self.reads.push(Read { input, view });
        self.reads.len() - 1
    }
}
