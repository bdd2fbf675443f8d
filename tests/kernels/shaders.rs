//! Every kernel is valid, translates to the languages of Vulkan, Metal and DX12, and keeps within
//! WebGPU's default limits.

use fpn_wgpu::gpu::{BindingKind, compose, source};
use fpn_wgpu::plan::{Number, Shader};
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};
use wgpu::Limits;

fn module(shader: Shader) -> (Module, ModuleInfo) {
    let module =
        compose(&source(shader)).unwrap_or_else(|error| panic!("{shader}: {}", error.inner));
    // WebGPU without any feature, but for the variants that are for subgroups.
    let capabilities = match shader.kernel.needs_subgroups() {
        true => Capabilities::SUBGROUP,
        false => Capabilities::empty(),
    } | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let capabilities = match shader.numbers.product {
        Number::F16 => capabilities | Capabilities::SHADER_FLOAT16,
        Number::F32 => capabilities,
    };
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{shader}: {}", error.into_inner()));
    (module, info)
}

#[test]
fn every_kernel_translates_to_spir_v() {
    for shader in Shader::all() {
        let (module, info) = module(shader);
        let words = spv::write_vec(&module, &info, &spv::Options::default(), None)
            .unwrap_or_else(|error| panic!("{shader}: {error}"));
        assert_eq!(words[0], 0x0723_0203, "{shader}");
    }
}

#[test]
fn every_kernel_translates_to_metal() {
    for shader in Shader::all() {
        let (module, info) = module(shader);
        let options = msl::Options {
            // Atomics need Metal 2.
            lang_version: (2, 0),
            fake_missing_bindings: true,
            ..msl::Options::default()
        };
        let entry = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, "main".to_owned())),
            ..msl::PipelineOptions::default()
        };
        let (text, _) = msl::write_string(&module, &info, &options, &entry)
            .unwrap_or_else(|error| panic!("{shader}: {error}"));
        assert!(text.contains("kernel void"), "{shader}: {text}");
    }
}

#[test]
fn every_kernel_translates_to_hlsl() {
    for shader in Shader::all() {
        let (module, info) = module(shader);
        let options = hlsl::Options {
            fake_missing_bindings: true,
            ..hlsl::Options::default()
        };
        let entry = hlsl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, "main".to_owned())),
        };
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &entry)
            .write(&module, &info, None)
            .unwrap_or_else(|error| panic!("{shader}: {error}"));
        assert!(text.contains("[numthreads("), "{shader}: {text}");
    }
}

#[test]
fn every_kernel_keeps_within_default_limits() {
    let limits = Limits::default();
    for shader in Shader::all() {
        let name = shader;
        let (module, _) = module(shader);
        let workgroup_bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
            .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
            .sum();
        assert!(
            workgroup_bytes <= limits.max_compute_workgroup_storage_size,
            "{name}"
        );
        let lanes = module.entry_points[0]
            .workgroup_size
            .iter()
            .product::<u32>();
        assert!(
            lanes <= limits.max_compute_invocations_per_workgroup,
            "{name}"
        );
        let bindings = source(shader).bindings;
        let uniforms = bindings
            .iter()
            .filter(|kind| **kind == BindingKind::Uniform);
        let storage = bindings.len() - uniforms.count();
        assert!(
            storage <= limits.max_storage_buffers_per_shader_stage as usize,
            "{name}"
        );
    }
}
