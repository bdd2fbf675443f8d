//! What an adapter computes at best.

use anyhow::{Result, bail};
use fpn_wgpu::gpu::Gpu;
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor,
    PipelineCompilationOptions, PollType, ShaderModuleDescriptor, ShaderSource,
};

use crate::times::{Times, seconds};

/// Lanes of the dispatch, 64 a workgroup.
const LANES: u32 = 64 * 1024;

/// Floating-point operations of a lane's round: eight vec4, each multiplied and added.
const FLOP: f64 = 8.0 * 4.0 * 2.0;

/// Least seconds of a dispatch that counts.
const LONG: f64 = 0.1;

/// Most rounds: no adapter gets through them faster.
const MOST_ROUNDS: u32 = 1 << 22;

const SHADER: &str = "
@group(0) @binding(0) var<uniform> rounds: vec4<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = vec4(0.5) + f32(id.x) * 1e-7;
    let term = vec4(0.25, 0.5, 0.75, 1.0);
    var a = term; var b = 2.0 * term; var c = 3.0 * term; var d = 4.0 * term;
    var e = 5.0 * term; var f = 6.0 * term; var g = 7.0 * term; var h = 8.0 * term;
    for (var round = 0u; round < rounds.x; round++) {
        a = fma(a, factor, term); b = fma(b, factor, term);
        c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term);
        g = fma(g, factor, term); h = fma(h, factor, term);
    }
    result[id.x] = a + b + c + d + e + f + g + h;
}
";

/// Floating-point operations a second, f32, in a loop that touches no memory: what a kernel's own
/// are a share of.
pub fn flop_per_second(gpu: &Gpu) -> Result<f64> {
    let device = gpu.device();
    let module = device.create_shader_module(ShaderModuleDescriptor {
        label: Some("peak"),
        source: ShaderSource::Wgsl(SHADER.into()),
    });
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: Some("peak"),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions::default(),
        cache: None,
    });
    let result = device.create_buffer(&BufferDescriptor {
        label: Some("peak"),
        size: u64::from(LANES) * 16,
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let mut rounds = 64;
    dispatch(gpu, &pipeline, &result, rounds)?;
    while seconds(|| dispatch(gpu, &pipeline, &result, rounds))? < LONG {
        if rounds == MOST_ROUNDS {
            bail!("{}: its peak cannot be measured", gpu.info().name);
        }
        rounds *= 2;
    }
    let runs = (0..5).map(|_| seconds(|| dispatch(gpu, &pipeline, &result, rounds)));
    let times = Times::of(runs.collect::<Result<_>>()?);
    Ok(f64::from(rounds) * f64::from(LANES) * FLOP / times.min)
}

fn dispatch(gpu: &Gpu, pipeline: &ComputePipeline, result: &Buffer, rounds: u32) -> Result<()> {
    let device = gpu.device();
    let rounds = device.create_buffer_init(&BufferInitDescriptor {
        label: Some("peak"),
        contents: &[rounds.to_le_bytes(), [0; 4], [0; 4], [0; 4]].concat(),
        usage: BufferUsages::UNIFORM,
    });
    let group = device.create_bind_group(&BindGroupDescriptor {
        label: Some("peak"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            BindGroupEntry {
                binding: 0,
                resource: rounds.as_entire_binding(),
            },
            BindGroupEntry {
                binding: 1,
                resource: result.as_entire_binding(),
            },
        ],
    });
    let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(LANES / 64, 1, 1);
    }
    gpu.queue().submit([encoder.finish()]);
    device.poll(PollType::wait_indefinitely())?;
    match gpu.fault() {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}
