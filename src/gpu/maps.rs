//! Maps read back out of the activations.

use bytemuck::Pod;
use futures_channel::oneshot::{Receiver, channel};
use half::f16;
use wgpu::{Buffer, BufferAsyncError, CommandEncoderDescriptor, MapMode, SubmissionIndex};

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

/// Until a buffer can be read.
///
/// # Errors
/// If the device failed.
pub(super) async fn readable(gpu: &Gpu, mapped: Mapped) -> Result<(), GpuError> {
    match mapped.await {
        Ok(Ok(())) => Ok(()),
        _ => {
            gpu.check()?;
            Err(GpuError::Lost("its results cannot be read".to_owned()))
        }
    }
}

/// What a buffer that can be read holds.
///
/// # Errors
/// If it cannot.
pub(super) fn read<T: Pod>(buffer: &Buffer, bytes: usize) -> Result<Vec<T>, GpuError> {
    let view = buffer.slice(..bytes as u64).get_mapped_range();
    let view = view.map_err(|error| GpuError::Fault(error.to_string()))?;
    Ok(bytemuck::pod_collect_to_vec(&view))
}

/// The values `[C, H, W]` of a copied map that can be read, from memory's order.
///
/// # Errors
/// If it cannot.
pub(super) fn values(slot: &MapSlot, copy: &Buffer) -> Result<Vec<f32>, GpuError> {
    let stored: Vec<f32> = match slot.number {
        Number::F32 => read(copy, slot.range.size)?,
        Number::F16 => {
            let halves: Vec<u16> = read(copy, slot.range.size)?;
            let wide = halves.into_iter().map(|half| f16::from_bits(half).to_f32());
            wide.collect()
        }
    };
    let [channels, height, width] = slot.shape;
    let (cells, pitch) = (height * width, channels.next_multiple_of(4));
    let mut values = Vec::with_capacity(channels * cells);
    for channel in 0..channels {
        values.extend((0..cells).map(|cell| stored[cell * pitch + channel]));
    }
    Ok(values)
}
