//! What kernels are compared with, and over what: CPU references, seeded cases, tolerances.
//!
//! A reference does the same arithmetic in the same order over the same memory as the WGSL, to be read
//! beside it. Where a shader has invocations, its reference has a loop; how invocations share their
//! work is left out.

mod boxes;
mod case;
mod random;

pub(super) use boxes::{ORIGINAL, RESIZED, boxes, keys};
use bytemuck::Pod;
pub use case::{Case, Difference, UNWRITTEN};
pub use random::Random;

use super::{Dtype, FrameUniform, Kernel, Shader};

/// Four channels of a pixel, or a box.
pub type Vec4 = [f32; 4];

/// How a kernel is checked.
#[derive(Debug)]
pub struct Checks {
    /// Its CPU reference.
    pub reference: fn(Call<'_>),
    /// Seeded inputs of the shapes that matter, in 32 bits; the kernel says which variant is meant.
    pub cases: fn(&'static Kernel, &mut Random) -> Vec<Case>,
    /// What an adapter may differ by in 32 bits: nothing where it only chooses, copies and counts;
    /// elsewhere adapters round, contract and approximate as WGSL allows them.
    pub tolerance: f32,
}

/// A dispatch for the CPU: what a reference is given.
pub struct Call<'a> {
    /// The kernel.
    pub kernel: &'static Kernel,
    params: &'a [u32],
    /// Workgroups.
    pub workgroups: [u32; 3],
    /// The words of the buffers from binding 1 on.
    pub bindings: &'a mut [Vec<u32>],
}

impl<'a> Call<'a> {
    /// The parameters.
    ///
    /// # Panics
    /// If they have another size.
    pub fn params<P: Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(self.params))
    }

    /// The words of the parameters.
    pub fn words(&self) -> &'a [u32] {
        self.params
    }

    /// The parameters, and the buffers in the order of their bindings.
    ///
    /// # Panics
    /// If the parameters have another size, or there are more or fewer buffers.
    pub fn split<P: Pod, const N: usize>(self) -> (P, [&'a mut Vec<u32>; N]) {
        let params = self.params();
        let buffers: Vec<&mut Vec<u32>> = self.bindings.iter_mut().collect();
        let buffers = buffers
            .try_into()
            .unwrap_or_else(|_| panic!("the kernel binds {N} buffers"));
        (params, buffers)
    }
}

impl Shader {
    /// Run the CPU reference: `params` are the words of binding 0, `bindings` those of the buffers
    /// from binding 1 on, all values of 32 bits.
    ///
    /// # Panics
    /// If the parameters or bindings are not the kernel's, or a buffer is too small.
    pub fn run_reference(&self, params: &[u32], workgroups: [u32; 3], bindings: &mut [Vec<u32>]) {
        (self.kernel.checks.reference)(Call {
            kernel: self.kernel,
            params,
            workgroups,
            bindings,
        });
    }

    /// Seeded inputs of the shapes that matter.
    pub fn cases(&self) -> Vec<Case> {
        let cases = (self.kernel.checks.cases)(self.kernel, &mut Random::new(1));
        cases
            .into_iter()
            .map(|case| case.with(self.dtypes))
            .collect()
    }

    /// What an adapter and the reference may differ by, relative to an output's largest magnitude.
    /// Numbers of 16 bits may be rounded either way, and products of them before they are summed.
    pub fn tolerance(&self) -> f32 {
        let in_32_bits = self.kernel.checks.tolerance;
        match (self.dtypes.product, self.dtypes.result) {
            (Dtype::F16, _) => 4e-3,
            (_, Dtype::F16) if in_32_bits > 0.0 => 1e-3,
            _ => in_32_bits,
        }
    }
}

/// Words of a buffer as vec4.
pub(super) fn vec4(words: &[u32]) -> &[Vec4] {
    bytemuck::cast_slice(words)
}

/// Words of a buffer as vec4, to be written.
pub(super) fn vec4_mut(words: &mut [u32]) -> &mut [Vec4] {
    bytemuck::cast_slice_mut(words)
}

/// Words of a buffer as floats.
pub(super) fn floats(words: &[u32]) -> &[f32] {
    bytemuck::cast_slice(words)
}

/// Words of a buffer as the sizes of a picture.
pub(super) fn frame(words: &[u32]) -> FrameUniform {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(words))
}

/// The words of the sizes of a picture that was resized.
pub(super) fn frame_words(original: [usize; 2], resized: [usize; 2]) -> Vec<u32> {
    words_of(frame_of(original, resized))
}

/// The sizes of a picture before and after.
pub(super) fn frame_of(original: [usize; 2], resized: [usize; 2]) -> FrameUniform {
    let ratio = [0, 1].map(|axis| original[axis] as f32 / resized[axis] as f32);
    FrameUniform::new(original, resized, ratio)
}

/// The same as a buffer's words.
pub(super) fn words_of(frame: FrameUniform) -> Vec<u32> {
    bytemuck::cast_slice(&[frame]).to_vec()
}

/// The bits of floats.
pub(super) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// A buffer of so many words that nothing was written into.
pub(super) fn unwritten(words: usize) -> Vec<u32> {
    vec![UNWRITTEN; words]
}
