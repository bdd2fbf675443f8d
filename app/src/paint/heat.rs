//! Heat maps, coloured by a shader from the values themselves.

use std::collections::HashMap;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use eframe::egui::{PaintCallbackInfo, Rect, Rgba, Shape};
use eframe::egui_wgpu::{
    Callback, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor,
};
use eframe::wgpu;
use fpn_wgpu::annotate::contrast;

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
    /// Of values, as `fpn pyramid` draws them.
    pub fn of(values: &[f32]) -> Self {
        let [low, high] = contrast(values).unwrap_or([0.0, 1.0]);
        Self { low, high }
    }
}

/// The values of a map.
#[derive(Clone, Debug)]
pub enum Values {
    /// In memory, row by row.
    Host(Arc<[f32]>),
    /// On the window's device, as a detector left them there.
    Device {
        /// Where they lie.
        buffer: wgpu::Buffer,
        /// The first cell's byte; a cell is four values.
        offset: usize,
        /// Whether values have 16 bits.
        is_half: bool,
    },
}

/// A map of single values, to be drawn in a rectangle.
#[derive(Clone, Debug)]
pub struct Heat {
    /// Tells it from others that are drawn in the same frame.
    pub place: u64,
    /// Its values.
    pub values: Values,
    /// Rows and columns.
    pub size: [usize; 2],
    /// The part that is shown, in shares of the map: it may reach beyond, where nothing is drawn.
    pub part: Rect,
    /// What becomes which colour; none for the map's own range, found on the device.
    pub range: Option<Range>,
}

impl Heat {
    /// What draws it.
    pub fn shape(self, rect: Rect) -> Shape {
        Callback::new_paint_callback(rect, Drawing { heat: self, rect }).into()
    }
}

/// What is uploaded of a map; as the shaders have it.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Uniform {
    rect: [f32; 4],
    part: [f32; 4],
    size: [u32; 2],
    first: u32,
    pitch: u32,
    is_half: u32,
    filling: [u32; 3],
    colours: [[f32; 4]; COLOURS],
}

struct Drawing {
    heat: Heat,
    rect: Rect,
}

/// What is on the device of each place.
struct Slot {
    uniform: wgpu::Buffer,
    range: wgpu::Buffer,
    /// For values that come from memory, and what was uploaded last.
    own: Option<(wgpu::Buffer, Arc<[f32]>)>,
    /// Of the buffers whose values were drawn last.
    groups: Vec<Groups>,
}

/// What draws a buffer's values, and what finds their range.
struct Groups {
    values: wgpu::Buffer,
    draw: wgpu::BindGroup,
    find: wgpu::BindGroup,
}

/// Buffers that a place draws by turns: a detector's three, and one of values from memory.
const MOST_GROUPS: usize = 4;

/// What draws heat maps on a window's device.
pub struct HeatMaps {
    draw: wgpu::RenderPipeline,
    find: wgpu::ComputePipeline,
    slots: HashMap<u64, Slot>,
    colours: [[f32; 4]; COLOURS],
}

/// A shader with what both have.
fn shader(device: &wgpu::Device, label: &'static str, text: &str) -> wgpu::ShaderModule {
    let text = text.replace("#HEAT", include_str!("../../shaders/shared.wgsl"));
    device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    })
}

impl HeatMaps {
    /// Make ready to draw heat maps in a window; not on a device below WebGPU's limits, where they stay empty.
    pub fn install(window: &RenderState) {
        let limits = window.device.limits();
        if limits.max_storage_buffers_per_shader_stage < 2
            || limits.max_compute_invocations_per_workgroup < 256
        {
            return;
        }
        let maps = Self::new(&window.device, window.target_format);
        window.renderer.write().callback_resources.insert(maps);
    }

    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let heat = shader(device, "heat", include_str!("../../shaders/heat.wgsl"));
        let range = shader(device, "range", include_str!("../../shaders/range.wgsl"));
        let draw = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("heat"),
            layout: None,
            vertex: wgpu::VertexState {
                module: &heat,
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
                module: &heat,
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
        let find = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("range"),
            layout: None,
            module: &range,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let colours = std::array::from_fn(|index| {
            let colour = heat_colour(index as f32 / (COLOURS - 1) as f32);
            match target.is_srgb() {
                true => Rgba::from(colour).to_array(),
                false => colour.to_normalized_gamma_f32(),
            }
        });
        Self {
            draw,
            find,
            slots: HashMap::new(),
            colours,
        }
    }

    fn groups(&self, device: &wgpu::Device, slot: &Slot, values: &wgpu::Buffer) -> Groups {
        let group = |layout: wgpu::BindGroupLayout| {
            let buffers = [&slot.uniform, values, &slot.range];
            let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
                .zip(buffers)
                .map(|(binding, buffer)| wgpu::BindGroupEntry {
                    binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("heat"),
                layout: &layout,
                entries: &entries,
            })
        };
        Groups {
            values: values.clone(),
            draw: group(self.draw.get_bind_group_layout(0)),
            find: group(self.find.get_bind_group_layout(0)),
        }
    }
}

fn buffer(device: &wgpu::Device, size: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("heat"),
        size: size as u64,
        usage: usage | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

impl Slot {
    fn new(device: &wgpu::Device) -> Self {
        let uniform = wgpu::BufferUsages::UNIFORM;
        Self {
            uniform: buffer(device, size_of::<Uniform>(), uniform),
            range: buffer(device, 16, uniform | wgpu::BufferUsages::STORAGE),
            own: None,
            groups: Vec::new(),
        }
    }

    /// A buffer with values from memory.
    fn uploaded(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        values: &Arc<[f32]>,
    ) -> wgpu::Buffer {
        let bytes = (4 * values.len()).max(4);
        let own = self.own.take();
        let own = own.filter(|(own, _)| own.size() >= bytes as u64);
        let (own, is_there) = match own {
            Some((own, known)) => (own, Arc::ptr_eq(&known, values)),
            None => (buffer(device, bytes, wgpu::BufferUsages::STORAGE), false),
        };
        if !is_there {
            queue.write_buffer(&own, 0, bytemuck::cast_slice(values));
        }
        self.own = Some((own.clone(), values.clone()));
        own
    }
}

impl CallbackTrait for Drawing {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
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
        let slot = maps.slots.remove(place);
        let mut slot = slot.unwrap_or_else(|| Slot::new(device));
        let (values, [first, pitch, is_half]) = match values {
            Values::Host(values) => (slot.uploaded(device, queue, values), [0, 1, 0]),
            Values::Device {
                buffer,
                offset,
                is_half,
            } => {
                let pitch = if *is_half { 2 } else { 4 };
                let first = (offset / 4) as u32;
                (buffer.clone(), [first, pitch, u32::from(*is_half)])
            }
        };
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
            size: [size[1] as u32, size[0] as u32],
            first,
            pitch,
            is_half,
            filling: [0; 3],
            colours: maps.colours,
        };
        queue.write_buffer(&slot.uniform, 0, bytemuck::bytes_of(&uniform));
        // The one that is drawn is the first.
        let known = slot
            .groups
            .iter()
            .position(|groups| groups.values == values);
        let groups = match known {
            Some(index) => slot.groups.remove(index),
            None => maps.groups(device, &slot, &values),
        };
        slot.groups.truncate(MOST_GROUPS - 1);
        match range {
            Some(Range { low, high }) => {
                let words = [*low, *high, 0.0, 0.0];
                queue.write_buffer(&slot.range, 0, bytemuck::cast_slice(&words));
            }
            None => {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(&maps.find);
                pass.set_bind_group(0, &groups.find, &[]);
                pass.dispatch_workgroups(1, 1, 1);
            }
        }
        slot.groups.insert(0, groups);
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
        let slot = maps.slots.get(&self.heat.place);
        let Some(groups) = slot.and_then(|slot| slot.groups.first()) else {
            return;
        };
        let [width, height] = info.screen_size_px.map(|side| side as f32);
        pass.set_viewport(0.0, 0.0, width, height, 0.0, 1.0);
        pass.set_pipeline(&maps.draw);
        pass.set_bind_group(0, &groups.draw, &[]);
        pass.draw(0..4, 0..1);
    }
}
