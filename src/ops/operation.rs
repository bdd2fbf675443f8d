//! What the compiler is told of an operation that Burn lacks: passes look into none but PixelShuffle, so its
//! file schedules it.

use std::fmt;

#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

#[cfg(feature = "verify")]
use super::flex::Handles;
use crate::kernels::Dtypes;
use crate::plan::{PlanBuilder, Value, ValueId, ValueKind};
use crate::stage::Stage;

/// An operation of ours, found by its name in a captured graph.
pub trait Operation: Sync {
    /// Its name there.
    fn id(&self) -> &'static str;

    /// The stage that its steps belong to; none for that of what it reads.
    fn stage(&self) -> Option<Stage> {
        None
    }

    /// What its inputs hold, given how many there are, and what its outputs hold.
    fn signature(&self, inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>);

    /// How many of so many inputs, from the first, are maps that may be stored in 16 bits.
    fn maps(&self, _inputs: usize) -> usize {
        0
    }

    /// What its kernels that read these maps exist in.
    fn dtypes(&self) -> &'static [Dtypes] {
        &[Dtypes::F32]
    }

    /// Whether its kernels compute what is asked for.
    ///
    /// # Errors
    /// What they do not, in words.
    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String>;

    /// Its steps; [`check`](Self::check) has passed.
    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>);

    /// Run it on the CPU engine: from a recorded call, over the tensors by their identity.
    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles);
}

/// What an operation is called with.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    /// Options, as captured graphs hold them.
    pub scalars: &'a [ScalarIr],
    /// What it reads.
    pub inputs: &'a [ValueId],
    /// What it makes.
    pub outputs: &'a [ValueId],
}

/// An operation with its options, as a node of a graph.
#[derive(Clone)]
pub struct Extension {
    /// Which.
    pub operation: &'static dyn Operation,
    /// As captured graphs hold them.
    pub scalars: Vec<ScalarIr>,
}

impl PartialEq for Extension {
    fn eq(&self, other: &Self) -> bool {
        self.operation.id() == other.operation.id() && self.scalars == other.scalars
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.id())
    }
}

/// Of maps that must be of one picture.
///
/// # Errors
/// If there are several pictures.
pub(super) fn one_picture(maps: &[&Value]) -> Result<(), String> {
    match maps
        .iter()
        .find(|map| map.shape.len() != 4 || map.shape[0] != 1)
    {
        Some(map) => Err(format!(
            "it reads a map of shape {:?}, where [1, C, H, W] is expected",
            map.shape
        )),
        None => Ok(()),
    }
}
