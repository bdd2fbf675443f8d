//! The buffers that the plans of all sizes share: one frame is computed at a time.

use std::sync::{Mutex, MutexGuard};

use wgpu::{Buffer, BufferDescriptor, BufferUsages};

use super::Gpu;
use super::device::Count;
use crate::error::GpuError;
use crate::kernels::FrameUniform;
use crate::plan::Plan;

/// Bytes of the picture's sizes.
pub(super) const FRAME_BYTES: usize = size_of::<FrameUniform>();

/// Frames that can be in flight: read-backs that wait for their turn.
const IN_FLIGHT: usize = 2;

/// How large the shared buffers must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    arenas: Vec<usize>,
    pub picture: usize,
    results: usize,
}

impl Needs {
    pub fn new(plan: &Plan, picture: usize) -> Self {
        Self {
            arenas: plan.arenas.clone(),
            picture,
            results: plan.results_bytes(),
        }
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.arenas.iter().sum::<usize>() + self.picture + self.results
    }

    /// What serves both.
    pub fn union(&self, other: &Self) -> Self {
        let arenas = (0..self.arenas.len().max(other.arenas.len())).map(|index| {
            let of = |needs: &Self| needs.arenas.get(index).copied().unwrap_or(0);
            of(self).max(of(other))
        });
        Self {
            arenas: arenas.collect(),
            picture: self.picture.max(other.picture),
            results: self.results.max(other.results),
        }
    }
}

/// The shared buffers.
#[derive(Debug)]
pub(super) struct Memory {
    pub needs: Needs,
    pub arenas: Vec<Buffer>,
    pub picture: Buffer,
    pub frame: Buffer,
    pub results: Buffer,
    staging: Mutex<Vec<Buffer>>,
}

impl Memory {
    pub fn new(gpu: &Gpu, needs: Needs) -> Self {
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let arena = |&bytes: &usize| buffer(gpu, "activations", bytes, storage);
        let uniform = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        Self {
            arenas: needs.arenas.iter().map(arena).collect(),
            picture: buffer(gpu, "picture", needs.picture, storage),
            frame: buffer(gpu, "frame", FRAME_BYTES, uniform),
            results: buffer(gpu, "results", needs.results, storage),
            staging: Mutex::new(
                (0..IN_FLIGHT)
                    .map(|_| staging(gpu, needs.results))
                    .collect(),
            ),
            needs,
        }
    }

    /// A buffer to read so many bytes back from; one more is made if those that are large enough are in
    /// flight.
    ///
    /// # Errors
    /// If there is no memory for one more.
    pub fn take_staging(&self, gpu: &Gpu, bytes: usize) -> Result<Buffer, GpuError> {
        let mut free = self.free_staging();
        let fitting = free.iter().enumerate();
        let fitting = fitting.filter(|(_, buffer)| buffer.size() >= bytes as u64);
        let smallest = fitting.min_by_key(|(_, buffer)| buffer.size());
        match smallest.map(|(index, _)| index) {
            Some(index) => Ok(free.swap_remove(index)),
            None => gpu.guarded(|| staging(gpu, bytes)),
        }
    }

    /// Give it back, unmapped. The largest are kept, which serve every frame.
    pub fn return_staging(&self, buffer: Buffer) {
        let mut free = self.free_staging();
        free.push(buffer);
        free.sort_by_key(|buffer| std::cmp::Reverse(buffer.size()));
        let kept = free.len().min(IN_FLIGHT);
        free.drain(kept..).for_each(|buffer| buffer.destroy());
    }

    fn free_staging(&self) -> MutexGuard<'_, Vec<Buffer>> {
        self.staging.lock().expect("no panic holds the lock")
    }
}

impl Drop for Memory {
    /// A browser would free the buffers only when it next collects garbage.
    fn drop(&mut self) {
        let shared = [&self.picture, &self.frame, &self.results];
        let staging = self.free_staging();
        let all = self.arenas.iter().chain(shared).chain(&*staging);
        all.for_each(Buffer::destroy);
    }
}

/// A buffer that the host can read.
pub(super) fn staging(gpu: &Gpu, bytes: usize) -> Buffer {
    buffer(
        gpu,
        "read-back",
        bytes,
        BufferUsages::COPY_DST | BufferUsages::MAP_READ,
    )
}

pub(super) fn buffer(gpu: &Gpu, label: &str, bytes: usize, usage: BufferUsages) -> Buffer {
    gpu.counters().add(Count::Buffer);
    gpu.device.create_buffer(&BufferDescriptor {
        label: Some(label),
        size: bytes.next_multiple_of(16).max(16) as u64,
        usage,
        mapped_at_creation: false,
    })
}
