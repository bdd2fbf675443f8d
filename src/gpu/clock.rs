//! How long the parts of a frame take by the device's own clock, told with the frame itself.

use std::collections::BTreeMap;
use std::ops::Range;

use wgpu::{Buffer, BufferUsages, CommandEncoder, ComputePassTimestampWrites, QuerySet};

use super::Gpu;
use super::memory::buffer;
use super::timestamps::{query_set, seconds, writes};
use crate::error::GpuError;
use crate::plan::Plan;
use crate::stage::Stage;

/// Timestamps of the passes of every frame of one session. Frames take turns on the queue, and so they share them.
#[derive(Debug)]
pub(super) struct Clock {
    stamps: QuerySet,
    resolved: Buffer,
    runs: Vec<Run>,
}

/// Steps of one stage that follow each other in one submission: a pass.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    stage: Stage,
    steps: Range<usize>,
}

impl Clock {
    /// For a plan that is sent in these submissions; none on a device without timestamps, or for more passes than one
    /// set of them takes.
    pub fn new(gpu: &Gpu, plan: &Plan, submissions: &[Range<usize>]) -> Option<Self> {
        let stages: Vec<Stage> = plan.steps.iter().map(|step| step.stage).collect();
        let runs = runs(&stages, submissions);
        let count = 2 * runs.len();
        if !gpu.has_timestamps() || count > wgpu::QUERY_SET_MAX_QUERIES as usize {
            return None;
        }
        let bytes = count * wgpu::QUERY_SIZE as usize;
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        Some(Self {
            stamps: query_set(gpu, count),
            resolved: buffer(gpu, "timestamps of parts", bytes, usage),
            runs,
        })
    }

    /// The passes of a submission: what their descriptors are given, and their steps.
    pub fn passes(
        &self,
        submission: &Range<usize>,
    ) -> impl Iterator<Item = (ComputePassTimestampWrites<'_>, Range<usize>)> {
        let (first, end) = (submission.start, submission.end);
        let runs = self.runs.iter().enumerate();
        let own = runs.filter(move |(_, run)| (first..end).contains(&run.steps.start));
        own.map(|(index, run)| (writes(&self.stamps, index), run.steps.clone()))
    }

    /// Bytes that a frame's timestamps take.
    fn bytes(&self) -> usize {
        2 * self.runs.len() * wgpu::QUERY_SIZE as usize
    }

    /// Where they lie in a buffer, behind so many bytes of others.
    pub fn place(&self, others: usize) -> Range<usize> {
        let start = others.next_multiple_of(wgpu::MAP_ALIGNMENT as usize);
        start..start + self.bytes()
    }

    /// Copy them to that place of a buffer, behind the frame's last steps.
    pub fn copy(&self, staging: &Buffer, place: &Range<usize>, encoder: &mut CommandEncoder) {
        encoder.resolve_query_set(
            &self.stamps,
            0..2 * self.runs.len() as u32,
            &self.resolved,
            0,
        );
        let bytes = self.bytes() as u64;
        encoder.copy_buffer_to_buffer(&self.resolved, 0, staging, place.start as u64, bytes);
    }

    /// The seconds that each part took, in the order of the work: from a buffer that can be read, behind so many bytes
    /// of others.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(
        &self,
        gpu: &Gpu,
        staging: &Buffer,
        others: usize,
    ) -> Result<Vec<(Stage, f64)>, GpuError> {
        let Range { start, end } = self.place(others);
        let view = staging.slice(start as u64..end as u64).get_mapped_range();
        let view = view.map_err(|error| GpuError::Fault(error.to_string()))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        let mut parts: BTreeMap<Stage, f64> = BTreeMap::new();
        for (run, seconds) in self.runs.iter().zip(seconds(gpu, &ticks)) {
            *parts.entry(run.stage).or_default() += seconds;
        }
        Ok(parts.into_iter().collect())
    }
}

/// What follows each other of one stage, of each submission.
fn runs(stages: &[Stage], submissions: &[Range<usize>]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for submission in submissions {
        for step in submission.clone() {
            let stage = stages[step];
            match runs.last_mut() {
                Some(run) if run.stage == stage && step > submission.start => {
                    run.steps.end = step + 1;
                }
                _ => runs.push(Run {
                    stage,
                    steps: step..step + 1,
                }),
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_its_stage_and_with_its_submission() {
        use Stage::{Backbone, Heads, Pyramid};
        let stages = [Backbone, Backbone, Backbone, Pyramid, Heads, Pyramid];
        let runs = runs(&stages, &[0..2, 2..6]);
        let told: Vec<_> = runs.into_iter().map(|run| (run.stage, run.steps)).collect();
        let expected = [
            (Backbone, 0..2),
            (Backbone, 2..3),
            (Pyramid, 3..4),
            (Heads, 4..5),
            (Pyramid, 5..6),
        ];
        assert_eq!(told, expected);
    }
}
