//! What is known of a kernel, and what becomes a pipeline and a dispatch of it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use bytemuck::Pod;
use serde::{Serialize, Serializer};

#[cfg(feature = "verify")]
use super::checks::Checks;
use super::dtype::{Dtype, Dtypes};
use super::params::Field;
use super::role::Role;

/// A kernel's record: its shader, what it binds, and what it exists in. Variants of one shader are
/// kernels of their own, told apart by their names.
#[derive(Debug)]
pub struct Kernel {
    /// What plans and people call it; no other kernel has it.
    pub name: Cow<'static, str>,
    /// Name of its file in `shaders/`.
    pub file: &'static str,
    /// The file's text, before composition.
    pub text: &'static str,
    /// What the text is told, besides dtypes.
    pub defs: Cow<'static, [(&'static str, Def)]>,
    /// The fields of its parameters, binding 0.
    pub params: &'static [Field],
    /// What it binds from binding 1 on.
    pub roles: Cow<'static, [Role]>,
    /// What it exists in.
    pub dtypes: &'static [Dtypes],
    /// Whether it needs subgroups of at least eight invocations.
    pub needs_subgroups: bool,
    /// Its CPU reference, and how it is compared with it.
    #[cfg(feature = "verify")]
    pub checks: Checks,
}

/// What a shader's text is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Def {
    /// That something is so.
    Flag,
    /// A number.
    Number(u32),
}

/// A shader in `shaders/`: the name of its file and its text.
macro_rules! shader {
    ($file:literal) => {
        (
            $file,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file)),
        )
    };
}
pub(crate) use shader;

impl Kernel {
    /// The kernel of a shader without variants, in 32 bits.
    pub(super) const fn new(
        name: &'static str,
        (file, text): (&'static str, &'static str),
        params: &'static [Field],
        roles: &'static [Role],
        #[cfg(feature = "verify")] checks: Checks,
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            file,
            text,
            defs: Cow::Borrowed(&[]),
            params,
            roles: Cow::Borrowed(roles),
            dtypes: &[Dtypes::F32],
            needs_subgroups: false,
            #[cfg(feature = "verify")]
            checks,
        }
    }

    /// The same for other dtypes too.
    pub(super) const fn with_dtypes(mut self, dtypes: &'static [Dtypes]) -> Self {
        self.dtypes = dtypes;
        self
    }

    /// The kernel for some dtypes.
    pub fn shader(&'static self, dtypes: Dtypes) -> Shader {
        Shader {
            kernel: self,
            dtypes,
        }
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kernel {}

impl PartialOrd for Kernel {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kernel {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A kernel for some dtypes: what becomes a pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shader {
    /// Which kernel.
    pub kernel: &'static Kernel,
    /// What it reads, computes and writes in.
    pub dtypes: Dtypes,
}

impl Shader {
    /// All kernels with all their dtypes.
    pub fn all() -> Vec<Self> {
        let kernels = super::all().into_iter();
        kernels
            .flat_map(|kernel| kernel.dtypes.iter().map(|&dtypes| kernel.shader(dtypes)))
            .collect()
    }

    /// What its text is told: the kernel's defs, and which values are of 16 bits.
    pub fn defs(&self) -> Vec<(&'static str, Def)> {
        let Dtypes {
            stored,
            result,
            product,
        } = self.dtypes;
        let flags = [
            (stored, "STORED_F16"),
            (result, "RESULT_F16"),
            (product, "PRODUCT_F16"),
        ];
        let of_16_bits = flags.into_iter().filter(|(dtype, _)| *dtype == Dtype::F16);
        let defs = self.kernel.defs.iter().copied();
        defs.chain(of_16_bits.map(|(_, flag)| (flag, Def::Flag)))
            .collect()
    }
}

impl fmt::Display for Shader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel.name)?;
        let Dtypes {
            stored,
            result,
            product,
        } = self.dtypes;
        match (stored, result, product) {
            (Dtype::F32, Dtype::F32, Dtype::F32) => Ok(()),
            (Dtype::F32, ..) => write!(f, ", to f16"),
            (_, Dtype::F32, Dtype::F32) => write!(f, ", f16 to f32"),
            (_, Dtype::F16, Dtype::F32) => write!(f, ", f16"),
            (_, Dtype::F32, Dtype::F16) => write!(f, ", f16 products to f32"),
            (_, Dtype::F16, Dtype::F16) => write!(f, ", f16 products"),
        }
    }
}

impl fmt::Debug for Shader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Shader {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A dispatch of a shader, but for what it binds from binding 1 on.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The shader.
    pub shader: Shader,
    /// Its parameters, as the words of a uniform buffer.
    pub params: Vec<u32>,
    /// Workgroups.
    pub workgroups: [u32; 3],
}

impl Dispatch {
    /// Of a shader over parameters that have its layout.
    pub(super) fn new(shader: Shader, params: &impl Pod, workgroups: [u32; 3]) -> Self {
        let words = bytemuck::cast_slice(bytemuck::bytes_of(params)).to_vec();
        Self::of_words(shader, words, workgroups)
    }

    /// The same of the parameters' words.
    pub(super) fn of_words(shader: Shader, params: Vec<u32>, workgroups: [u32; 3]) -> Self {
        Self {
            shader,
            params,
            workgroups,
        }
    }
}

/// Invocations of a workgroup that share no work.
const INVOCATIONS: usize = 64;

/// Most workgroups along one dimension of a dispatch.
pub const MAX_WORKGROUPS: usize = 65_535;

/// Workgroups of 64 for as many invocations, in two dimensions where one is too short.
pub(super) fn workgroups(invocations: usize) -> [u32; 3] {
    folded(invocations.div_ceil(INVOCATIONS))
}

/// So many workgroups, one at least, in two dimensions where one is too short.
pub(super) fn folded(workgroups: usize) -> [u32; 3] {
    let workgroups = workgroups.max(1);
    let across = workgroups.min(MAX_WORKGROUPS);
    [across as u32, workgroups.div_ceil(across) as u32, 1]
}

/// Channel blocks: channels by fours.
pub fn blocks(channels: usize) -> usize {
    channels.div_ceil(4)
}

/// Sizes as a uniform buffer has them.
pub(crate) fn words<const N: usize>(sizes: [usize; N]) -> [u32; N] {
    sizes.map(|size| size as u32)
}

/// Sizes as the host has them.
#[cfg(feature = "verify")]
pub(super) fn sizes<const N: usize>(words: [u32; N]) -> [usize; N] {
    words.map(|word| word as usize)
}
