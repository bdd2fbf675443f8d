//! How a kernel becomes a pipeline: its text composed with what it imports, then compiled.

use std::borrow::Cow;
use std::collections::HashMap;

use naga::valid::Capabilities;
use naga_oil::compose::{
    ComposableModuleDescriptor, Composer, ComposerError, NagaModuleDescriptor, ShaderDefValue,
};
use wgpu::{
    BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType,
    BufferBindingType, ComputePipeline, ComputePipelineDescriptor, Device, PipelineCache,
    PipelineCompilationOptions, PipelineLayoutDescriptor, ShaderModule, ShaderModuleDescriptor,
    ShaderSource, ShaderStages,
};

use super::Gpu;
use crate::kernels::{Access, Def, Shader};

/// A shader's text and what it is told and binds.
pub struct ShaderText {
    /// Name of its file.
    pub file: &'static str,
    /// Its text, before composition.
    pub text: &'static str,
    /// What the text is told.
    pub defs: Vec<(&'static str, Def)>,
    /// From binding 1 on; binding 0 is the uniform buffer of its parameters.
    pub bindings: Vec<Access>,
}

impl From<Shader> for ShaderText {
    fn from(shader: Shader) -> Self {
        let kernel = shader.kernel;
        Self {
            file: kernel.file,
            text: kernel.text,
            defs: shader.defs(),
            bindings: kernel.roles.iter().map(|role| role.access()).collect(),
        }
    }
}

/// What variants for devices with more than WebGPU's least use.
const CAPABILITIES: Capabilities = Capabilities::SUBGROUP
    .union(Capabilities::SHADER_FLOAT16)
    .union(Capabilities::SHADER_FLOAT16_IN_FLOAT32);

/// A module that shaders import.
macro_rules! shared {
    ($file:literal) => {
        (
            concat!("shared/", $file),
            include_str!(concat!("../../shaders/shared/", $file)),
        )
    };
}

/// The modules that shaders import, those first that others import.
const SHARED: &[(&str, &str)] = &[
    shared!("activation.wgsl"),
    shared!("antialias.wgsl"),
    shared!("bilinear.wgsl"),
    shared!("boxes.wgsl"),
    shared!("dtype.wgsl"),
    shared!("conv.wgsl"),
    shared!("frame.wgsl"),
    shared!("functions.wgsl"),
    shared!("lanes.wgsl"),
    shared!("nan.wgsl"),
    shared!("axis.wgsl"),
    shared!("order.wgsl"),
    shared!("pool.wgsl"),
    shared!("radix.wgsl"),
    shared!("scan.wgsl"),
];

/// A kernel's shader with its imports, validated.
///
/// # Errors
/// If the text is no valid WGSL.
pub fn compose(source: &ShaderText) -> Result<naga::Module, Box<ComposerError>> {
    let mut composer = Composer::default().with_capabilities(CAPABILITIES);
    for module in SHARED {
        add(&mut composer, *module)?;
    }
    compose_with(&mut composer, source)
}

fn add(
    composer: &mut Composer,
    (file_path, source): (&str, &str),
) -> Result<(), Box<ComposerError>> {
    composer.add_composable_module(ComposableModuleDescriptor {
        source,
        file_path,
        ..ComposableModuleDescriptor::default()
    })?;
    Ok(())
}

fn compose_with(
    composer: &mut Composer,
    source: &ShaderText,
) -> Result<naga::Module, Box<ComposerError>> {
    let defs = source.defs.iter().map(|(name, def)| {
        let value = match def {
            Def::Flag => ShaderDefValue::Bool(true),
            Def::Number(number) => ShaderDefValue::UInt(*number),
        };
        ((*name).to_owned(), value)
    });
    let module = composer.make_naga_module(NagaModuleDescriptor {
        source: source.text,
        file_path: source.file,
        shader_defs: defs.collect::<HashMap<_, _>>(),
        ..NagaModuleDescriptor::default()
    })?;
    Ok(module)
}

/// A kernel on one device.
#[derive(Debug)]
pub(super) struct CompiledKernel {
    pub layout: BindGroupLayout,
    pub pipeline: ComputePipeline,
}

/// Composes kernels one after the other. The device validates what it gives.
pub(super) struct PipelineBuilder(Composer);

impl PipelineBuilder {
    /// In slices with a `pause` between them, as all of it costs some milliseconds in a browser.
    pub async fn new(pause: &impl AsyncFn()) -> Self {
        let mut composer = Composer::non_validating().with_capabilities(CAPABILITIES);
        for module in SHARED {
            pause().await;
            add(&mut composer, *module).unwrap_or_else(|error| panic!("{}: {error}", module.0));
        }
        Self(composer)
    }

    /// A kernel on a device.
    pub async fn build(
        &mut self,
        gpu: &Gpu,
        source: &ShaderText,
        cache: Option<&PipelineCache>,
        pause: &impl AsyncFn(),
    ) -> CompiledKernel {
        let module = compose_with(&mut self.0, source)
            .unwrap_or_else(|error| panic!("shader {} does not compose: {error}", source.file));
        pause().await;
        let descriptor = ShaderModuleDescriptor {
            label: Some(source.file),
            source: ShaderSource::Naga(Cow::Owned(module)),
        };
        let module = gpu.watched(|| gpu.device.create_shader_module(descriptor));
        pause().await;
        gpu.watched(|| pipeline(&gpu.device, source, &module, cache))
    }
}

fn pipeline(
    device: &Device,
    source: &ShaderText,
    module: &ShaderModule,
    cache: Option<&PipelineCache>,
) -> CompiledKernel {
    let accesses = source.bindings.iter().copied();
    let accesses = [Access::Uniform].into_iter().chain(accesses);
    let entries: Vec<BindGroupLayoutEntry> = accesses.zip(0..).map(entry).collect();
    let layout = device.create_bind_group_layout(&BindGroupLayoutDescriptor {
        label: Some(source.file),
        entries: &entries,
    });
    let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
        label: Some(source.file),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: Some(source.file),
        layout: Some(&pipeline_layout),
        module,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions {
            // Every kernel writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
            ..PipelineCompilationOptions::default()
        },
        cache,
    });
    CompiledKernel { layout, pipeline }
}

fn entry((access, binding): (Access, u32)) -> BindGroupLayoutEntry {
    let ty = match access {
        Access::Uniform => BufferBindingType::Uniform,
        Access::Read => BufferBindingType::Storage { read_only: true },
        Access::ReadWrite => BufferBindingType::Storage { read_only: false },
    };
    BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_composes_and_binds_what_it_declares() {
        for shader in Shader::all() {
            let source = ShaderText::from(shader);
            let module =
                compose(&source).unwrap_or_else(|error| panic!("{shader}: {}", error.inner));
            let bound = module
                .global_variables
                .iter()
                .filter(|(_, variable)| variable.binding.is_some())
                .count();
            assert_eq!(bound, 1 + source.bindings.len(), "{shader}");
        }
    }
}
