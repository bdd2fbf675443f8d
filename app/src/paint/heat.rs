//! Heat maps, coloured by a shader from the values themselves.

use std::collections::HashMap;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use eframe::egui::{Color32, PaintCallbackInfo, Rect, Rgba, Shape};
use eframe::egui_wgpu::{
    Callback, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor,
};
use eframe::wgpu;

use super::heat_colour;

/// Colours between which the shader goes evenly.
const COLOURS: usize = 16;

/// The values that become the darkest and the brightest colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The darkest.
    pub low: f32,
    /// The brightest.
    pub high: f32,
}

impl Range {
    /// Of values: all but the last hundredth at either end, so that one outlying cell does not darken the rest.
    pub fn of(values: &[f32]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let cut = sorted.len() / 100;
        match sorted.get(cut..sorted.len() - cut) {
            Some([low, .., high]) => Self {
                low: *low,
                high: *high,
            },
            _ => Self {
                low: 0.0,
                high: 1.0,
            },
        }
    }
}

/// A map of single values, to be drawn in a rectangle.
#[derive(Clone, Debug)]
pub struct Heat {
    /// Tells it from others that are drawn in the same frame.
    pub place: u64,
    /// Row by row.
    pub values: Arc<[f32]>,
    /// Rows and columns.
    pub size: [usize; 2],
    /// The part that is shown, in shares of the map: it may reach beyond, where nothing is drawn.
    pub part: Rect,
    /// What becomes which colour.
    pub range: Range,
}

impl Heat {
    /// What draws it.
    pub fn shape(self, rect: Rect) -> Shape {
        Callback::new_paint_callback(rect, Drawing { heat: self, rect }).into()
    }
}

/// What is uploaded of a map; as the shader has it.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Uniform {
    rect: [f32; 4],
    part: [f32; 4],
    range: [f32; 2],
    size: [u32; 2],
    colours: [[f32; 4]; COLOURS],
}

struct Drawing {
    heat: Heat,
    rect: Rect,
}

/// What is on the device of each place.
struct Slot {
    uniform: wgpu::Buffer,
    values: wgpu::Buffer,
    group: wgpu::BindGroup,
    /// What was uploaded last.
    uploaded: Option<Arc<[f32]>>,
}

/// What draws heat maps on a window's device.
pub struct HeatMaps {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    slots: HashMap<u64, Slot>,
    colours: [[f32; 4]; COLOURS],
}

impl HeatMaps {
    /// Make ready to draw heat maps in a window.
    pub fn install(window: &RenderState) {
        let maps = Self::new(&window.device, window.target_format);
        window.renderer.write().callback_resources.insert(maps);
    }

    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let shader = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("heat"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../shaders/heat.wgsl").into()),
        });
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let stored = wgpu::BufferBindingType::Storage { read_only: true };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("heat"),
            entries: &[
                entry(0, wgpu::BufferBindingType::Uniform),
                wgpu::BindGroupLayoutEntry {
                    visibility: wgpu::ShaderStages::FRAGMENT,
                    ..entry(1, stored)
                },
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("heat"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("heat"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &shader,
                entry_point: Some("corner"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState {
                topology: wgpu::PrimitiveTopology::TriangleStrip,
                ..wgpu::PrimitiveState::default()
            },
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &shader,
                entry_point: Some("colour"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(wgpu::ColorTargetState {
                    format: target,
                    blend: Some(wgpu::BlendState::ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            multiview_mask: None,
            cache: None,
        });
        let colours = std::array::from_fn(|index| {
            let colour = heat_colour(index as f32 / (COLOURS - 1) as f32);
            match target.is_srgb() {
                true => Rgba::from(colour).to_array(),
                false => gamma(colour),
            }
        });
        Self {
            pipeline,
            layout,
            slots: HashMap::new(),
            colours,
        }
    }

    fn slot(&self, device: &wgpu::Device, bytes: u64) -> Slot {
        let buffer = |label, size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let size = size_of::<Uniform>() as u64;
        let uniform = buffer("heat", size, wgpu::BufferUsages::UNIFORM);
        let values = buffer("heat values", bytes, wgpu::BufferUsages::STORAGE);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("heat"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: uniform.as_entire_binding(),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: values.as_entire_binding(),
                },
            ],
        });
        Slot {
            uniform,
            values,
            group,
            uploaded: None,
        }
    }
}

fn gamma(colour: Color32) -> [f32; 4] {
    colour.to_normalized_gamma_f32()
}

impl CallbackTrait for Drawing {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let Some(maps) = resources.get_mut::<HeatMaps>() else {
            return Vec::new();
        };
        let Heat {
            place,
            values,
            size,
            part,
            range,
        } = &self.heat;
        let bytes = (4 * values.len()).max(4) as u64;
        let fits = |slot: &Slot| slot.values.size() >= bytes;
        let mut slot = match maps.slots.remove(place).filter(fits) {
            Some(slot) => slot,
            None => maps.slot(device, bytes),
        };
        let is_there = |known: &Arc<[f32]>| Arc::ptr_eq(known, values);
        if !slot.uploaded.as_ref().is_some_and(is_there) {
            queue.write_buffer(&slot.values, 0, bytemuck::cast_slice(values));
            slot.uploaded = Some(values.clone());
        }
        // Egui would clamp a viewport at the window's edge, and so squeeze what reaches beyond it.
        let [width, height] = screen.size_in_pixels.map(|side| side as f32);
        let scale = screen.pixels_per_point;
        let x = |x: f32| x * scale / width * 2.0 - 1.0;
        let y = |y: f32| 1.0 - y * scale / height * 2.0;
        let rect = self.rect;
        let uniform = Uniform {
            rect: [
                x(rect.left()),
                y(rect.top()),
                x(rect.right()),
                y(rect.bottom()),
            ],
            part: [part.left(), part.top(), part.right(), part.bottom()],
            range: [range.low, range.high],
            size: [size[1] as u32, size[0] as u32],
            colours: maps.colours,
        };
        queue.write_buffer(&slot.uniform, 0, bytemuck::bytes_of(&uniform));
        maps.slots.insert(*place, slot);
        Vec::new()
    }

    fn paint(
        &self,
        info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(maps) = resources.get::<HeatMaps>() else {
            return;
        };
        let Some(slot) = maps.slots.get(&self.heat.place) else {
            return;
        };
        let [width, height] = info.screen_size_px.map(|side| side as f32);
        pass.set_viewport(0.0, 0.0, width, height, 0.0, 1.0);
        pass.set_pipeline(&maps.pipeline);
        pass.set_bind_group(0, &slot.group, &[]);
        pass.draw(0..4, 0..1);
    }
}
