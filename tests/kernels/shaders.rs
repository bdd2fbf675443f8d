//! Every kernel is valid, translates to the languages of Vulkan, Metal and DX12, and keeps within
//! WebGPU's default limits.

use fpn_wgpu::gpu::{ShaderText, compose};
use fpn_wgpu::kernels::{Access, Dtype, Shader};
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess, TypeInner};
use wgpu::Limits;

fn module(shader: Shader) -> (Module, ModuleInfo) {
    let module = compose(&ShaderText::from(shader))
        .unwrap_or_else(|error| panic!("{shader}: {}", error.inner));
    // WebGPU without any feature, but for the variants that are for subgroups.
    let capabilities = match shader.kernel.needs_subgroups {
        true => Capabilities::SUBGROUP,
        false => Capabilities::empty(),
    } | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let capabilities = match shader.dtypes.product {
        Dtype::F16 => capabilities | Capabilities::SHADER_FLOAT16,
        Dtype::F32 => capabilities,
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
        let invocations = module.entry_points[0]
            .workgroup_size
            .iter()
            .product::<u32>();
        assert!(
            invocations <= limits.max_compute_invocations_per_workgroup,
            "{name}"
        );
        let bindings = ShaderText::from(shader).bindings;
        let uniforms = bindings.iter().filter(|access| **access == Access::Uniform);
        let storage = bindings.len() - uniforms.count();
        assert!(
            storage <= limits.max_storage_buffers_per_shader_stage as usize,
            "{name}"
        );
    }
}

/// What the scheduler writes is what the shader reads.
#[test]
fn parameters_are_laid_out_as_the_shaders_have_them() {
    for shader in Shader::all() {
        let (module, _) = module(shader);
        let (_, params) = module
            .global_variables
            .iter()
            .find(|(_, variable)| {
                let binding = variable.binding.as_ref();
                binding.is_some_and(|binding| binding.binding == 0)
            })
            .unwrap_or_else(|| panic!("{shader} has no parameters"));
        let TypeInner::Struct { members, span } = &module.types[params.ty].inner else {
            panic!("{shader}: its parameters are no struct")
        };
        let found: Vec<(&str, usize, usize)> = members
            .iter()
            .map(|member| {
                let name = member.name.as_deref().expect("a field has a name");
                let size = module.types[member.ty].inner.size(module.to_ctx());
                (name, member.offset as usize, size as usize)
            })
            .collect();
        assert_eq!(found, shader.kernel.params, "{shader}");
        let (_, offset, size) = found.last().expect("a struct has fields");
        assert_eq!(
            *span as usize,
            (offset + size).next_multiple_of(16).min(*span as usize),
            "{shader}"
        );
    }
}

/// A binding that the shader declares otherwise than its role says would be refused, or worse.
#[test]
fn bindings_are_declared_as_their_roles_say() {
    for shader in Shader::all() {
        let (module, _) = module(shader);
        let mut declared: Vec<(u32, Access)> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let access = match variable.space {
                    AddressSpace::Uniform => Access::Uniform,
                    AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                        Access::ReadWrite
                    }
                    AddressSpace::Storage { .. } => Access::Read,
                    _ => return None,
                };
                Some((variable.binding.as_ref()?.binding, access))
            })
            .collect();
        declared.sort_unstable_by_key(|(binding, _)| *binding);
        let roles = shader.kernel.roles.iter().map(|role| role.access());
        let expected: Vec<(u32, Access)> = (1..).zip(roles).collect();
        assert_eq!(declared[1..], expected, "{shader}");
    }
}
