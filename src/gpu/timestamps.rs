//! How long passes take by the device's own clock.

use wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassTimestampWrites, MapMode, PollType, QuerySet,
    QuerySetDescriptor, QueryType,
};

use super::memory::{buffer, staging};
use super::{Gpu, GpuError};

/// Timestamps of the passes of one submission.
pub(super) struct TimestampQueries {
    stamps: QuerySet,
    resolved: Buffer,
    staging: Buffer,
    passes: usize,
}

impl TimestampQueries {
    /// Most passes that one takes.
    pub const MOST_PASSES: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

    /// For `passes` passes on a device that [has timestamps](Gpu::has_timestamps).
    pub fn new(gpu: &Gpu, passes: usize) -> Self {
        let count = 2 * passes;
        let bytes = count * wgpu::QUERY_SIZE as usize;
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        Self {
            stamps: query_set(gpu, count),
            resolved: buffer(gpu, "timestamps", bytes, usage),
            staging: staging(gpu, bytes),
            passes,
        }
    }

    /// What the descriptor of a pass is given.
    pub fn writes(&self, pass: usize) -> ComputePassTimestampWrites<'_> {
        writes(&self.stamps, pass)
    }

    /// The last command of the submission.
    pub fn resolve(&self, encoder: &mut CommandEncoder) {
        encoder.resolve_query_set(&self.stamps, 0..2 * self.passes as u32, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, self.staging.size());
    }

    /// Wait for the submission: the seconds that each pass took.
    ///
    /// # Errors
    /// If the device has failed.
    pub fn read(self, gpu: &Gpu) -> Result<Vec<f64>, GpuError> {
        // A failure to map shows when the mapped range is asked for.
        gpu.watched(|| self.staging.map_async(MapMode::Read, .., |_| {}));
        gpu.poll(PollType::wait_indefinitely())?;
        let view = self.staging.get_mapped_range(..);
        let view = view.map_err(|error| GpuError::Fault(error.to_string()))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        Ok(seconds(gpu, &ticks[..2 * self.passes]).collect())
    }
}

/// Room for so many timestamps.
pub(super) fn query_set(gpu: &Gpu, count: usize) -> QuerySet {
    gpu.device.create_query_set(&QuerySetDescriptor {
        label: Some("timestamps"),
        ty: QueryType::Timestamp,
        count: count as u32,
    })
}

/// What the descriptor of a pass is given: two timestamps a pass.
pub(super) fn writes(stamps: &QuerySet, pass: usize) -> ComputePassTimestampWrites<'_> {
    let begin = 2 * pass as u32;
    ComputePassTimestampWrites {
        query_set: stamps,
        beginning_of_pass_write_index: Some(begin),
        end_of_pass_write_index: Some(begin + 1),
    }
}

/// The seconds between the two timestamps of each pass.
pub(super) fn seconds(gpu: &Gpu, ticks: &[u64]) -> impl Iterator<Item = f64> {
    let second = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
    let (pairs, _) = ticks.as_chunks();
    // Where a clock is reset between the two, the difference means nothing.
    let seconds = move |[begin, end]: &[u64; 2]| end.saturating_sub(*begin) as f64 * second;
    pairs.iter().map(seconds)
}
