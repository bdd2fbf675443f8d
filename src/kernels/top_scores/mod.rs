//! The classes of a level's anchors that score enough, in lists; where lists have little room, the best of
//! the stretch of items that each is of.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::{ScoresShape, case};

use super::kernel::shader;
use super::params::params;
use super::{Def, Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// All items: a class of an anchor of a cell each, or a slot of a list.
        items: u32,
        /// Items of an invocation, a multiple of 4.
        share: u32,
        /// Items of a cell, or of a list.
        row: u32,
        /// Floats between a row and the next.
        pitch: u32,
        /// The same of centreness.
        centre_pitch: u32,
        /// Slots of a list that is made.
        limit: u32,
        /// What is listed scores more.
        score_threshold: f32,
        /// Alignment.
        unused: u32,
    }
}

/// What scores are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The sigmoid of a class's logit.
    Plain,
    /// The geometric mean of that and of the sigmoid of the cell's centreness.
    Centred,
    /// They are those of lists.
    Lists,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Centred, Self::Lists];

    /// The kernel's name, what its text is told, and what it reads.
    fn record(self) -> (&'static str, &'static str, &'static [Role]) {
        match self {
            Self::Plain => ("top_scores", "PLAIN", &[Role::FloatsIn]),
            Self::Centred => (
                "top_scores, centred",
                "CENTRED",
                &[Role::FloatsIn, Role::FloatsIn],
            ),
            Self::Lists => (
                "top_scores, of lists",
                "LISTS",
                &[Role::FloatsIn, Role::WordsIn, Role::WordsIn],
            ),
        }
    }
}

static KERNELS: LazyLock<[Kernel; 3]> = LazyLock::new(|| Source::ALL.map(record));

fn record(source: Source) -> Kernel {
    let (name, def, reads) = source.record();
    let mut kernel = Kernel::new(
        name,
        shader!("top_scores.wgsl"),
        Params::FIELDS,
        &[],
        #[cfg(feature = "verify")]
        checks::CHECKS,
    );
    let makes = [Role::FloatsOut, Role::WordsOut, Role::WordsOut];
    kernel.roles = Cow::Owned([reads, &makes].concat());
    kernel.defs = Cow::Owned(vec![(def, Def::Flag)]);
    kernel
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.iter().collect()
}

/// Invocations of a workgroup, which fill a list.
const INVOCATIONS: u32 = 256;

impl Params {
    /// Lists that are made.
    pub fn lists(&self) -> u32 {
        self.items.div_ceil(INVOCATIONS * self.share)
    }

    /// A workgroup makes a list. Binds the logits of classes, and centreness; or the scores, items and
    /// numbers of lists; then scores, items and numbers of the lists that are made.
    pub fn dispatch(&self, source: Source) -> Dispatch {
        let kernel = &KERNELS[source as usize];
        Dispatch::new(kernel.shader(Dtypes::F32), self, [self.lists(), 1, 1])
    }

    /// At most: looks at an invocation's share that count, eight that find the cut, and two that list.
    pub fn waits(&self) -> u64 {
        u64::from(self.share / 4) * (1 + 8 + 2)
    }
}
