//! Pictures: decoded by the browser, read back through the GPU. A canvas would multiply the colours
//! by alpha and lose what that rounds away.

use fpn_wgpu::gpu::Gpu;
use futures_channel::oneshot::channel;
use image::RgbaImage;
use wasm_bindgen::prelude::*;
use web_sys::ImageBitmap;
use wgpu::{
    BufferDescriptor, BufferUsages, COPY_BYTES_PER_ROW_ALIGNMENT, CommandEncoderDescriptor,
    CopyExternalImageDestInfo, CopyExternalImageSourceInfo, Extent3d, ExternalImageSource, MapMode,
    Origin2d, Origin3d, PredefinedColorSpace, TexelCopyBufferInfo, TexelCopyBufferLayout,
    TextureAspect, TextureDescriptor, TextureDimension, TextureFormat, TextureUsages,
};

/// The bitmap's pixels.
///
/// # Errors
/// If it is larger than a texture may be, or cannot be read back.
pub async fn read(gpu: &Gpu, bitmap: ImageBitmap) -> Result<RgbaImage, JsError> {
    let (device, queue) = (gpu.device(), gpu.queue());
    let size = Extent3d {
        width: bitmap.width(),
        height: bitmap.height(),
        depth_or_array_layers: 1,
    };
    let most = device.limits().max_texture_dimension_2d;
    if size.width.max(size.height) > most {
        return Err(JsError::new(&format!(
            "the picture is {}×{} pixels: expected at most {most} a side",
            size.width, size.height
        )));
    }
    let texture = device.create_texture(&TextureDescriptor {
        label: Some("picture"),
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: TextureDimension::D2,
        format: TextureFormat::Rgba8Unorm,
        usage: TextureUsages::COPY_DST | TextureUsages::COPY_SRC | TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    queue.copy_external_image_to_texture(
        &CopyExternalImageSourceInfo {
            source: ExternalImageSource::ImageBitmap(bitmap),
            origin: Origin2d::ZERO,
            flip_y: false,
        },
        CopyExternalImageDestInfo {
            texture: &texture,
            mip_level: 0,
            origin: Origin3d::ZERO,
            aspect: TextureAspect::All,
            color_space: PredefinedColorSpace::Srgb,
            premultiplied_alpha: false,
        },
        size,
    );
    let row = size.width as usize * 4;
    let pitch = row.next_multiple_of(COPY_BYTES_PER_ROW_ALIGNMENT as usize);
    let buffer = device.create_buffer(&BufferDescriptor {
        label: Some("picture"),
        size: (pitch * size.height as usize) as u64,
        usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        TexelCopyBufferInfo {
            buffer: &buffer,
            layout: TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(pitch as u32),
                rows_per_image: None,
            },
        },
        size,
    );
    queue.submit([encoder.finish()]);
    let (sender, mapped) = channel();
    buffer.map_async(MapMode::Read, .., |result| {
        sender.send(result).unwrap_or(())
    });
    let unreadable = || JsError::new("the picture cannot be read back from the GPU");
    mapped.await?.map_err(|_| unreadable())?;
    let view = buffer.get_mapped_range(..).map_err(|_| unreadable())?;
    let rows = view.chunks_exact(pitch).flat_map(|padded| &padded[..row]);
    let pixels = rows.copied().collect();
    drop(view);
    buffer.destroy();
    texture.destroy();
    Ok(RgbaImage::from_raw(size.width, size.height, pixels).expect("a row for each of its rows"))
}
