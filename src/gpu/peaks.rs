//! What an adapter can do at most, measured: arithmetic and memory traffic.

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, CommandEncoderDescriptor,
    ComputePassDescriptor,
};

use super::Gpu;
use super::memory::buffer;
use super::pipelines::{CompiledKernel, PipelineBuilder, ShaderText};
use super::timestamps::TimestampQueries;
use crate::error::GpuError;
use crate::kernels::Access;

/// The two limits of a roofline (Williams et al., 2009): no step gets above the lower of the first,
/// and of the second times its operations for each byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DevicePeaks {
    /// Floating-point operations a second, f32, two for a multiplication with addition.
    pub flop_per_second: f64,
    /// Bytes a second, read and written together, to and from memory that no cache holds.
    pub bytes_per_second: f64,
}

/// Invocations of a workgroup in both shaders.
const INVOCATIONS: usize = 64;
/// Workgroups of the arithmetic: enough to fill the largest GPU.
const WORKGROUPS: usize = 4096;
/// Operations of an invocation in a round: 64 times a multiplication with addition of two vec4.
const FLOP_OF_ROUND: usize = 64 * 2 * 4 * 2;
/// vec4 that an invocation copies.
const INVOCATION_COPIES: usize = 8;
/// Bytes that a workgroup copies.
const BYTES_OF_WORKGROUP: usize = INVOCATIONS * INVOCATION_COPIES * 16;
/// Bytes to copy: more than caches hold, and within WebGPU's default limit of a binding.
const COPIED: usize = 128 << 20;
/// Workgroups across; there are more than a dimension allows.
const ACROSS: u32 = 1 << 12;
/// Shortest run that is trusted, in seconds.
const SHORTEST: f64 = 0.02;
/// Runs, of which the fastest counts.
const RUNS: usize = 5;

/// Measure both limits by the device's clock; takes a second or less on a GPU. `None` where the
/// device shows no timestamps. Not for browsers, where nothing may wait.
///
/// # Errors
/// If the device has failed, or has no memory left.
pub fn measure(gpu: &Gpu) -> Result<Option<DevicePeaks>, GpuError> {
    match gpu.has_timestamps() {
        false => Ok(None),
        true => Ok(Some(DevicePeaks {
            flop_per_second: arithmetic(gpu)?,
            bytes_per_second: traffic(gpu)?,
        })),
    }
}

fn arithmetic(gpu: &Gpu) -> Result<f64, GpuError> {
    let result = WORKGROUPS * INVOCATIONS * 4;
    let bench = gpu.guarded(|| Bench::new(gpu, multiply_add(), &[result]))?;
    let groups = [WORKGROUPS as u32, 1, 1];
    let seconds = |rounds: u32| {
        // Near 1 and 0: the sums neither vanish nor explode.
        let params = [rounds, 0.999_f32.to_bits(), 0.001_f32.to_bits(), 0];
        bench.run(gpu, params, groups)
    };
    let mut rounds = 1;
    while seconds(rounds)? < SHORTEST && rounds < 1 << 20 {
        rounds *= 2;
    }
    let flop = WORKGROUPS * INVOCATIONS * FLOP_OF_ROUND * rounds as usize;
    Ok(flop as f64 / fastest(|| seconds(rounds))?)
}

fn traffic(gpu: &Gpu) -> Result<f64, GpuError> {
    let bench = gpu.guarded(|| Bench::new(gpu, copy(), &[COPIED; 2]))?;
    let groups = [ACROSS, (COPIED / BYTES_OF_WORKGROUP) as u32 / ACROSS, 1];
    // GPUs are fast where neighbouring invocations read neighbours, CPUs where an invocation reads on.
    let orders = [[1, INVOCATIONS], [INVOCATION_COPIES, 1]];
    let mut least = f64::INFINITY;
    for [invocation_step, step] in orders {
        let seconds = || {
            bench.run(
                gpu,
                [ACROSS, invocation_step as u32, step as u32, 0],
                groups,
            )
        };
        // Drivers hand out memory when it is first touched.
        seconds()?;
        least = least.min(fastest(seconds)?);
    }
    Ok(2.0 * COPIED as f64 / least)
}

fn fastest(seconds: impl Fn() -> Result<f64, GpuError>) -> Result<f64, GpuError> {
    (0..RUNS).try_fold(f64::INFINITY, |least, _| Ok(least.min(seconds()?)))
}

/// A shader with buffers made for it.
struct Bench {
    kernel: CompiledKernel,
    params: Buffer,
    group: BindGroup,
}

impl Bench {
    /// `bytes` are the sizes of the buffers from binding 1 on.
    fn new(gpu: &Gpu, source: ShaderText, bytes: &[usize]) -> Self {
        let at_once = async || {};
        let kernel = pollster::block_on(async {
            let mut builder = PipelineBuilder::new(&at_once).await;
            builder.build(gpu, &source, None, &at_once).await
        });
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let params = buffer(gpu, "parameters", 16, usage);
        let storage = |&bytes: &usize| buffer(gpu, "limits", bytes, BufferUsages::STORAGE);
        let buffers: Vec<Buffer> = bytes.iter().map(storage).collect();
        let entries: Vec<BindGroupEntry> = std::iter::once(&params)
            .chain(&buffers)
            .zip(0..)
            .map(|(buffer, binding)| BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = gpu.device.create_bind_group(&BindGroupDescriptor {
            label: Some("limits"),
            layout: &kernel.layout,
            entries: &entries,
        });
        Self {
            kernel,
            params,
            group,
        }
    }

    /// The seconds that one dispatch takes.
    fn run(&self, gpu: &Gpu, params: [u32; 4], workgroups: [u32; 3]) -> Result<f64, GpuError> {
        let timestamps = gpu.watched(|| self.submit(gpu, params, workgroups));
        Ok(timestamps.read(gpu)?[0])
    }

    fn submit(&self, gpu: &Gpu, params: [u32; 4], [x, y, z]: [u32; 3]) -> TimestampQueries {
        gpu.queue
            .write_buffer(&self.params, 0, bytemuck::cast_slice(&params));
        let timestamps = TimestampQueries::new(gpu, 1);
        let mut encoder = gpu
            .device
            .create_command_encoder(&CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(timestamps.writes(0)),
            });
            pass.set_pipeline(&self.kernel.pipeline);
            pass.set_bind_group(0, &self.group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
        timestamps.resolve(&mut encoder);
        gpu.queue.submit([encoder.finish()]);
        timestamps
    }
}

fn multiply_add() -> ShaderText {
    ShaderText {
        file: "limits/multiply_add.wgsl",
        text: include_str!("../../shaders/limits/multiply_add.wgsl"),
        defs: Vec::new(),
        bindings: vec![Access::ReadWrite],
    }
}

fn copy() -> ShaderText {
    ShaderText {
        file: "limits/copy.wgsl",
        text: include_str!("../../shaders/limits/copy.wgsl"),
        defs: Vec::new(),
        bindings: vec![Access::Read, Access::ReadWrite],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::compose;

    #[test]
    fn both_shaders_compose() {
        for source in [multiply_add(), copy()] {
            assert!(compose(&source).is_ok(), "{}", source.file);
        }
    }

    #[test]
    fn the_copy_covers_its_buffer() {
        assert_eq!(COPIED % (BYTES_OF_WORKGROUP * ACROSS as usize), 0);
    }
}
