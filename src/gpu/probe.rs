//! One kernel on its own, over buffers made for it: how kernels are compared with their CPU references.

use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, CommandEncoderDescriptor,
    ComputePassDescriptor, MapMode, PollType,
};

use super::Gpu;
use super::memory::staging;
use crate::error::GpuError;
use crate::kernels::{Access, Dispatch};

/// Run a dispatch and wait for it: `bindings` are the words of the buffers from binding 1 on. What the
/// buffers hold afterwards.
///
/// # Errors
/// If the device has failed.
///
/// # Panics
/// If there are not as many bindings as the kernel has.
pub fn probe(
    gpu: &Gpu,
    dispatch: &Dispatch,
    bindings: &[Vec<u32>],
) -> Result<Vec<Vec<u32>>, GpuError> {
    let copies = gpu.watched(|| submit(gpu, dispatch, bindings));
    gpu.poll(PollType::wait_indefinitely())?;
    let words = copies.iter().zip(bindings).map(|(copy, binding)| {
        let view = copy
            .slice(..binding.len() as u64 * 4)
            .get_mapped_range()
            .map_err(|error| GpuError::Fault(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    });
    words.collect()
}

/// Copies of the buffers from binding 1 on, to be mapped when the dispatch is done.
fn submit(gpu: &Gpu, dispatch: &Dispatch, bindings: &[Vec<u32>]) -> Vec<Buffer> {
    let shader = dispatch.shader;
    let accesses = shader.kernel.roles.iter().map(|role| role.access());
    let accesses = [Access::Uniform].into_iter().chain(accesses);
    let contents = [dispatch.params.as_slice()]
        .into_iter()
        .chain(bindings.iter().map(Vec::as_slice));
    let buffers: Vec<Buffer> = accesses
        .zip(contents)
        .map(|(access, words)| upload(gpu, access, words))
        .collect();
    let compiled = gpu.kernel(shader);
    let entries: Vec<BindGroupEntry> = buffers
        .iter()
        .zip(0..)
        .map(|(buffer, binding)| BindGroupEntry {
            binding,
            resource: buffer.as_entire_binding(),
        })
        .collect();
    let group = gpu.device.create_bind_group(&BindGroupDescriptor {
        label: Some("probe"),
        layout: &compiled.layout,
        entries: &entries,
    });
    let mut encoder = gpu
        .device
        .create_command_encoder(&CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        pass.set_pipeline(&compiled.pipeline);
        pass.set_bind_group(0, &group, &[]);
        let [x, y, z] = dispatch.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
    let copies: Vec<Buffer> = buffers[1..]
        .iter()
        .map(|buffer| {
            let copy = staging(gpu, buffer.size() as usize);
            encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
            copy
        })
        .collect();
    gpu.queue.submit([encoder.finish()]);
    for copy in &copies {
        // A failure to map shows when the mapped range is asked for.
        copy.map_async(MapMode::Read, .., |_| {});
    }
    copies
}

fn upload(gpu: &Gpu, access: Access, words: &[u32]) -> Buffer {
    let usage = match access {
        Access::Uniform => BufferUsages::UNIFORM,
        Access::Read | Access::ReadWrite => BufferUsages::STORAGE,
    };
    gpu.device.create_buffer_init(&BufferInitDescriptor {
        label: Some("probe"),
        contents: bytemuck::cast_slice(words),
        usage: usage | BufferUsages::COPY_SRC,
    })
}
