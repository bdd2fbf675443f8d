//! Maps read back out of the activations.

use futures_channel::oneshot::{Receiver, channel};
use half::f16;
use wgpu::{
    Buffer, BufferAsyncError, CommandEncoderDescriptor, MapMode, PollType, SubmissionIndex,
};

use super::device::Count;
use super::memory::{Memory, staging};
use super::{Gpu, GpuError};
use crate::plan::{MapSlot, Number};

/// A map in the host's memory: channels, height and width, and the values in this order.
pub type HostMap = ([usize; 3], Vec<f32>);

/// Whether a buffer has become readable.
pub(super) type Mapped = Receiver<Result<(), BufferAsyncError>>;

/// Ask for a buffer to become readable.
pub(super) fn map(buffer: &Buffer) -> Mapped {
    let (sender, receiver) = channel();
    buffer.map_async(MapMode::Read, .., move |result| {
        // Nobody waits for a frame that was given up.
        sender.send(result).ok();
    });
    receiver
}

/// Copy maps to where the host can read them, behind what was just sent.
pub(super) fn copy(
    gpu: &Gpu,
    memory: &Memory,
    slots: &[MapSlot],
) -> (Vec<(MapSlot, Buffer)>, SubmissionIndex) {
    let mut encoder = gpu
        .device
        .create_command_encoder(&CommandEncoderDescriptor::default());
    let copies = slots.iter().map(|slot| {
        let copy = staging(gpu, slot.range.size);
        let (offset, size) = (slot.range.offset as u64, slot.range.size as u64);
        encoder.copy_buffer_to_buffer(&memory.arenas[slot.range.arena], offset, &copy, 0, size);
        (*slot, copy)
    });
    let copies = copies.collect();
    gpu.counters().add(Count::Submission);
    (copies, gpu.queue.submit([encoder.finish()]))
}

/// A copied map, from memory's order.
pub(super) fn read(gpu: &Gpu, slot: &MapSlot, copy: &Buffer) -> Result<HostMap, GpuError> {
    let mapped = map(copy);
    gpu.poll(PollType::wait_indefinitely())?;
    match pollster::block_on(mapped) {
        Ok(Ok(())) => {}
        _ => return Err(GpuError::Lost("a map cannot be read".to_owned())),
    }
    let view = copy
        .slice(..slot.range.size as u64)
        .get_mapped_range()
        .map_err(|error| GpuError::Fault(error.to_string()))?;
    let stored: Vec<f32> = match slot.number {
        Number::F32 => bytemuck::pod_collect_to_vec(&view),
        Number::F16 => {
            let halves: Vec<u16> = bytemuck::pod_collect_to_vec(&view);
            halves
                .into_iter()
                .map(|half| f16::from_bits(half).to_f32())
                .collect()
        }
    };
    let [channels, height, width] = slot.shape;
    let (cells, pitch) = (height * width, channels.next_multiple_of(4));
    let mut values = Vec::with_capacity(channels * cells);
    for channel in 0..channels {
        values.extend((0..cells).map(|cell| stored[cell * pitch + channel]));
    }
    Ok((slot.shape, values))
}
