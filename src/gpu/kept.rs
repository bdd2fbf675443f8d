//! Maps that outlive their frame on the device, for programs that draw there.

use std::collections::BTreeSet;

use wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::Gpu;
use super::memory::{Memory, buffer};
use crate::error::GpuError;
use crate::kernels::Dtype;
use crate::plan::{MapInfo, MapKind, MapSlot, Plan, Range};
use crate::transform::Frame;

/// Frames whose maps are there at once: one is drawn, one waits to be, one is computed.
const FRAMES: usize = 3;

/// Maps of one frame in a buffer on the device, from when the frame is done until the third frame after it that
/// keeps its maps.
#[derive(Clone, Debug)]
pub struct KeptMaps {
    /// Where they lie; it can be bound as storage, and copied from.
    pub buffer: Buffer,
    /// Finest first within a kind.
    pub maps: Vec<KeptMap>,
}

/// Where a map lies.
#[derive(Clone, Debug)]
pub struct KeptMap {
    /// What it is a map of.
    pub info: MapInfo,
    /// Channels, height, width. A cell's channels lie side by side, filled up to a multiple of four; cells follow each
    /// other row by row.
    pub shape: [usize; 3],
    /// As [`FeatureMap::coverage`](crate::FeatureMap::coverage).
    pub coverage: [f32; 2],
    /// What its values are stored in.
    pub dtype: Dtype,
    /// Its first byte in the buffer, a multiple of four.
    pub offset: usize,
    /// Where the frame leaves it.
    range: Range,
}

/// The maps of these kinds that a plan leaves behind.
fn kept<'a>(
    plan: &'a Plan,
    kinds: &'a BTreeSet<MapKind>,
) -> impl Iterator<Item = (&'a MapInfo, &'a MapSlot)> {
    plan.maps().filter(|(info, _)| kinds.contains(&info.kind))
}

/// Bytes of the maps of these kinds that a plan leaves behind.
pub(super) fn kept_bytes(plan: &Plan, kinds: &BTreeSet<MapKind>) -> usize {
    kept(plan, kinds).map(|(_, slot)| slot.range.size).sum()
}

impl KeptMaps {
    /// Copy them there, behind the plan's steps.
    pub(super) fn copy(&self, memory: &Memory, encoder: &mut CommandEncoder) {
        for map in &self.maps {
            let Range {
                arena,
                offset,
                size,
            } = map.range;
            let (from, to) = (offset as u64, map.offset as u64);
            let arena = &memory.arenas[arena];
            encoder.copy_buffer_to_buffer(arena, from, &self.buffer, to, size as u64);
        }
    }
}

/// The buffers of the last frames, which take turns.
#[derive(Debug, Default)]
pub(super) struct Ring {
    buffers: [Option<Buffer>; FRAMES],
    next: usize,
}

impl Ring {
    /// A place for the maps of these kinds that a plan leaves behind. Nothing is made where the buffer whose turn it
    /// is suffices.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn place(
        &mut self,
        gpu: &Gpu,
        plan: &Plan,
        kinds: &BTreeSet<MapKind>,
        frame: &Frame,
    ) -> Result<KeptMaps, GpuError> {
        let mut end = 0;
        let maps = kept(plan, kinds).map(|(info, slot)| {
            let offset = end;
            end += slot.range.size;
            KeptMap {
                info: info.clone(),
                shape: slot.shape,
                coverage: frame.coverage(),
                dtype: slot.dtype,
                offset,
                range: slot.range,
            }
        });
        let maps = maps.collect();
        let turn = &mut self.buffers[self.next];
        self.next = (self.next + 1) % FRAMES;
        let own = match turn.take().filter(|own| own.size() >= end as u64) {
            Some(own) => own,
            None => gpu.guarded(|| {
                buffer(
                    gpu,
                    "kept maps",
                    end,
                    BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
                )
            })?,
        };
        *turn = Some(own.clone());
        Ok(KeptMaps { buffer: own, maps })
    }
}
