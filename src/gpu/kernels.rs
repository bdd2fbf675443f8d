//! All kernels and their variants, declared in one place; and how one becomes a pipeline.

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

use crate::plan::{ConvForm, Epilogue, Kernel, Number, Shader};

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// A uniform buffer.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that may be written. Activations share buffers, and one buffer must not be
    /// bound both ways, so those that are only read are bound so too.
    Write,
}

/// A kernel's shader.
pub struct Source {
    /// Name of its file.
    pub file: &'static str,
    /// Its text, before composition.
    pub text: &'static str,
    /// What the text is told.
    pub defs: Vec<(&'static str, ShaderDefValue)>,
    /// From binding 1 on; binding 0 is the uniform buffer of its parameters.
    pub bindings: Vec<BindingKind>,
}

/// What variants for devices with more than WebGPU's least use.
const CAPABILITIES: Capabilities = Capabilities::SUBGROUP
    .union(Capabilities::SHADER_FLOAT16)
    .union(Capabilities::SHADER_FLOAT16_IN_FLOAT32);

/// The modules that shaders import.
const SHARED: [(&str, &str); 7] = [
    (
        "shared/activation.wgsl",
        include_str!("../../shaders/shared/activation.wgsl"),
    ),
    (
        "shared/boxes.wgsl",
        include_str!("../../shaders/shared/boxes.wgsl"),
    ),
    (
        "shared/numbers.wgsl",
        include_str!("../../shaders/shared/numbers.wgsl"),
    ),
    (
        "shared/conv.wgsl",
        include_str!("../../shaders/shared/conv.wgsl"),
    ),
    (
        "shared/frame.wgsl",
        include_str!("../../shaders/shared/frame.wgsl"),
    ),
    (
        "shared/order.wgsl",
        include_str!("../../shaders/shared/order.wgsl"),
    ),
    (
        "shared/scan.wgsl",
        include_str!("../../shaders/shared/scan.wgsl"),
    ),
];

macro_rules! shader {
    ($name:literal, $bindings:expr) => {
        Source {
            file: concat!($name, ".wgsl"),
            text: include_str!(concat!("../../shaders/", $name, ".wgsl")),
            defs: Vec::new(),
            bindings: $bindings.to_vec(),
        }
    };
}

/// A kernel's shader and what it binds.
pub fn source(shader: Shader) -> Source {
    let mut source = in_32_bits(shader.kernel);
    let numbers = shader.numbers;
    let flags = [
        (numbers.stored, "STORED_F16"),
        (numbers.result, "RESULT_F16"),
        (numbers.product, "PRODUCT_F16"),
    ];
    let of_16_bits = flags
        .into_iter()
        .filter(|(number, _)| *number == Number::F16);
    let defs = of_16_bits.map(|(_, flag)| (flag, ShaderDefValue::Bool(true)));
    source.defs.extend(defs);
    source
}

fn in_32_bits(kernel: Kernel) -> Source {
    use BindingKind::{Read, Uniform, Write};
    match kernel {
        Kernel::Preprocess => shader!("preprocess", [Uniform, Read, Write]),
        Kernel::Conv(form, epilogue) => conv(form, epilogue),
        Kernel::WinogradInput => shader!("winograd_input", [Write; 2]),
        Kernel::WinogradOutput(epilogue) => {
            with_epilogue(shader!("winograd_output", [Write; 2]), epilogue)
        }
        Kernel::Depthwise => shader!("depthwise", [Write, Read, Read, Write]),
        Kernel::Grouped(epilogue) => {
            with_epilogue(shader!("grouped", [Write, Write, Read]), epilogue)
        }
        Kernel::MaxPool => shader!("max_pool", [Write; 2]),
        Kernel::UpsampleAdd => shader!("upsample_add", [Write; 3]),
        Kernel::RoiAlign => shader!("roi_align", [Write; 7]),
        Kernel::TopAnchors => shader!("top_anchors", [Write; 2]),
        Kernel::DecodeProposals => {
            shader!(
                "decode_proposals",
                [Uniform, Write, Write, Write, Write, Write]
            )
        }
        Kernel::NmsLevels => shader!("nms_levels", [Write; 2]),
        Kernel::MergeProposals => shader!("merge_proposals", [Write; 5]),
        Kernel::DecodeRois => {
            shader!(
                "decode_rois",
                [Uniform, Write, Write, Write, Write, Write, Write, Write]
            )
        }
        Kernel::DecodeAnchors => shader!("decode_anchors", [Write; 5]),
        Kernel::RankCandidates => shader!("rank_candidates", [Write; 3]),
        Kernel::SelectDetections => {
            shader!(
                "select_detections",
                [Uniform, Write, Write, Write, Write, Write]
            )
        }
        Kernel::CheckFinite => shader!("check_finite", [Write; 2]),
    }
}

fn conv(form: ConvForm, epilogue: Epilogue) -> Source {
    use BindingKind::{Read, Write};
    let registers = |pixels: usize| {
        let mut source = shader!("conv", [Write, Write, Read]);
        let number = |value: usize| ShaderDefValue::UInt(value as u32);
        source.defs = vec![
            ("PIXELS", number(pixels)),
            ("QUADS", number(form.tile()[1])),
            ("LANES", number(form.lanes())),
        ];
        if pixels == 8 {
            source
                .defs
                .push(("EIGHT_PIXELS", ShaderDefValue::Bool(true)));
        }
        source
    };
    let source = match form {
        ConvForm::Registers(pixels) => registers(pixels),
        ConvForm::Subgroup(pixels, _) => {
            let mut source = registers(pixels);
            source.defs.push(("SUBGROUPS", ShaderDefValue::Bool(true)));
            source
        }
        ConvForm::Tiled => shader!("conv_tiled", [Write, Write, Read]),
    };
    with_epilogue(source, epilogue)
}

/// Bias and residual behind what the source binds already.
fn with_epilogue(mut source: Source, epilogue: Epilogue) -> Source {
    let bindings: &[(&str, &str, BindingKind)] = match epilogue {
        Epilogue::None => &[],
        Epilogue::Bias => &[("EPILOGUE", "BIAS", BindingKind::Read)],
        Epilogue::Residual => &[
            ("EPILOGUE", "BIAS", BindingKind::Read),
            ("WITH_RESIDUAL", "RESIDUAL", BindingKind::Write),
        ],
    };
    for &(flag, index, kind) in bindings {
        source.bindings.push(kind);
        let place = source.bindings.len() as u32;
        source.defs.push((flag, ShaderDefValue::Bool(true)));
        source.defs.push((index, ShaderDefValue::UInt(place)));
    }
    source
}

/// A kernel's shader with its imports, validated.
///
/// # Errors
/// If the text is no valid WGSL.
pub fn compose(source: &Source) -> Result<naga::Module, Box<ComposerError>> {
    let mut composer = Composer::default().with_capabilities(CAPABILITIES);
    for module in SHARED {
        add(&mut composer, module)?;
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
    source: &Source,
) -> Result<naga::Module, Box<ComposerError>> {
    let defs = source
        .defs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value));
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
pub(super) struct Builder(Composer);

impl Builder {
    /// In slices with a `pause` between them, as all of it costs some milliseconds in a browser.
    pub async fn new(pause: &impl AsyncFn()) -> Self {
        let mut composer = Composer::non_validating().with_capabilities(CAPABILITIES);
        for module in SHARED {
            pause().await;
            add(&mut composer, module).unwrap_or_else(|error| panic!("{}: {error}", module.0));
        }
        Self(composer)
    }

    /// A kernel on a device.
    pub async fn build(
        &mut self,
        device: &Device,
        source: &Source,
        cache: Option<&PipelineCache>,
        pause: &impl AsyncFn(),
    ) -> CompiledKernel {
        let module = compose_with(&mut self.0, source)
            .unwrap_or_else(|error| panic!("shader {} does not compose: {error}", source.file));
        pause().await;
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label: Some(source.file),
            source: ShaderSource::Naga(Cow::Owned(module)),
        });
        pause().await;
        pipeline(device, source, &module, cache)
    }
}

fn pipeline(
    device: &Device,
    source: &Source,
    module: &ShaderModule,
    cache: Option<&PipelineCache>,
) -> CompiledKernel {
    let kinds = source.bindings.iter().copied();
    let kinds = [BindingKind::Uniform].into_iter().chain(kinds);
    let entries: Vec<BindGroupLayoutEntry> = kinds.zip(0..).map(entry).collect();
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

fn entry((kind, binding): (BindingKind, u32)) -> BindGroupLayoutEntry {
    let ty = match kind {
        BindingKind::Uniform => BufferBindingType::Uniform,
        BindingKind::Read => BufferBindingType::Storage { read_only: true },
        BindingKind::Write => BufferBindingType::Storage { read_only: false },
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
        for kernel in Kernel::all() {
            let source = source(kernel.into());
            let module =
                compose(&source).unwrap_or_else(|error| panic!("{}: {}", source.file, error.inner));
            let bound = module
                .global_variables
                .iter()
                .filter(|(_, variable)| variable.binding.is_some())
                .count();
            assert_eq!(bound, 1 + source.bindings.len(), "{}", source.file);
        }
    }
}
