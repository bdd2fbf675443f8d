//! A plan computed by the kernels' CPU references: slow, and the same on every machine.

use std::convert::Infallible;

use crate::kernels::checks::UNWRITTEN;
use crate::kernels::{Dtype, FrameUniform};
use crate::plan::{Binding, Constant, MapSlot, Plan, Range, Step, planar};
use crate::weights::{StoredTensor, WeightsError, pack};

/// A plan that is being computed, a step at a time.
pub struct Interpreter<'a> {
    plan: &'a Plan,
    constants: Vec<Vec<u32>>,
    arenas: Vec<Vec<u32>>,
    frame: Vec<u32>,
    picture: Vec<u32>,
    results: Vec<u32>,
}

impl<'a> Interpreter<'a> {
    /// A plan that computes in 32 bits, with its constants packed of the parameters at their paths (in
    /// PyTorch's layout), over a picture of RGBA pixels, a word each.
    ///
    /// # Errors
    /// If a parameter cannot be read.
    ///
    /// # Panics
    /// If the plan stores anything in 16 bits.
    pub fn new(
        plan: &'a Plan,
        parameter: &dyn Fn(&str) -> StoredTensor,
        frame: FrameUniform,
        picture: Vec<u32>,
    ) -> Result<Self, WeightsError> {
        let packed = |constant: &Constant| {
            assert_eq!(constant.dtype, Dtype::F32, "references compute in 32 bits");
            let values = pollster::block_on(pack(constant, parameter, &async || {}))?;
            Ok(values.into_iter().map(f32::to_bits).collect())
        };
        let constants = plan.constants.iter().map(packed);
        Ok(Self {
            constants: constants.collect::<Result<_, WeightsError>>()?,
            arenas: plan
                .arenas
                .iter()
                .map(|bytes| vec![UNWRITTEN; bytes / 4])
                .collect(),
            frame: bytemuck::cast_slice(bytemuck::bytes_of(&frame)).to_vec(),
            picture,
            results: {
                let mut results = vec![UNWRITTEN; plan.results_bytes() / 4];
                results[..4].fill(0);
                results
            },
            plan,
        })
    }

    /// Fill one of the plan's [inputs](Plan::inputs) with values `[N, C, H, W]`.
    pub fn fill(&mut self, input: &MapSlot, values: &[f32]) {
        let items = values.chunks_exact(input.shape.iter().product());
        let words: Vec<u32> = items
            .flat_map(|values| in_memory(values, input.shape))
            .collect();
        self.arenas[input.range.arena][words_of(input.range)].copy_from_slice(&words);
    }

    /// Compute one step of the plan.
    pub fn run(&mut self, step: &Step) {
        let mut bindings: Vec<Vec<u32>> = step
            .bindings
            .iter()
            .map(|binding| self.buffer(*binding).to_vec())
            .collect();
        let Step {
            shader,
            params,
            workgroups,
            ..
        } = step;
        shader.run_reference(params, *workgroups, &mut bindings);
        for (binding, words) in step.bindings.iter().zip(bindings) {
            match binding {
                Binding::Arena(range) => {
                    self.arenas[range.arena][words_of(*range)].copy_from_slice(&words);
                }
                Binding::Results => self.results = words,
                Binding::Frame | Binding::Picture | Binding::Constant(_) => {}
            }
        }
    }

    /// Compute all steps, and call `done` after each.
    ///
    /// # Errors
    /// The first of `done`.
    pub fn run_all<E>(
        &mut self,
        mut done: impl FnMut(&Self, &Step) -> Result<(), E>,
    ) -> Result<(), E> {
        for step in &self.plan.steps {
            self.run(step);
            done(self, step)?;
        }
        Ok(())
    }

    /// Compute all steps.
    pub fn finish(&mut self) {
        let Ok(()) = self.run_all(|_, _| Ok::<(), Infallible>(()));
    }

    /// The words of what a step binds.
    pub fn buffer(&self, binding: Binding) -> &[u32] {
        match binding {
            Binding::Frame => &self.frame,
            Binding::Picture => &self.picture,
            Binding::Constant(index) => &self.constants[index],
            Binding::Arena(range) => &self.arenas[range.arena][words_of(range)],
            Binding::Results => &self.results,
        }
    }

    /// The values `[C, H, W]` of a map.
    pub fn map(&self, slot: &MapSlot) -> Vec<f32> {
        let words = self.buffer(Binding::Arena(slot.range));
        planar(bytemuck::cast_slice(words), slot.shape)
    }
}

fn words_of(range: Range) -> std::ops::Range<usize> {
    range.offset / 4..(range.offset + range.size) / 4
}

/// Values `[C, H, W]` as `[y][x][channel]`, channels rounded up to fours.
fn in_memory(values: &[f32], [channels, height, width]: [usize; 3]) -> Vec<u32> {
    let (cells, pitch) = (height * width, channels.next_multiple_of(4));
    let mut words = vec![0; cells * pitch];
    for (index, value) in values.iter().enumerate() {
        let (channel, cell) = (index / cells, index % cells);
        words[cell * pitch + channel] = value.to_bits();
    }
    words
}
