//! Pictures on the window's device.

use std::sync::Arc;

use eframe::egui::{ColorImage, Context, TextureFilter, TextureHandle, TextureOptions};
use image::{DynamicImage, RgbaImage};

/// A place for the picture that is shown, on the window's device.
#[derive(Default)]
pub struct Texture(Option<Held>);

struct Held {
    handle: TextureHandle,
    picture: Arc<RgbaImage>,
}

impl Texture {
    /// What is drawn.
    pub fn handle(&self) -> Option<&TextureHandle> {
        self.0.as_ref().map(|held| &held.handle)
    }

    /// Hold a picture, by that name; none to hold nothing.
    pub fn hold(&mut self, context: &Context, name: &str, picture: Option<&Arc<RgbaImage>>) {
        let Some(picture) = picture else {
            self.0 = None;
            return;
        };
        let is_there = |held: &Held| Arc::ptr_eq(&held.picture, picture);
        if self.0.as_ref().is_some_and(is_there) {
            return;
        }
        let size = [picture.width() as usize, picture.height() as usize];
        let most = context.input(|input| input.max_texture_side);
        let image = match size.iter().max() {
            Some(&side) if side > most => shrunk(picture, most),
            _ => ColorImage::from_rgba_unmultiplied(size, picture.as_raw()),
        };
        let options = TextureOptions {
            magnification: TextureFilter::Nearest,
            ..TextureOptions::LINEAR
        };
        let handle = match self.0.take() {
            Some(mut held) => {
                held.handle.set(image, options);
                held.handle
            }
            None => context.load_texture(name, image, options),
        };
        self.0 = Some(Held {
            handle,
            picture: picture.clone(),
        });
    }
}

/// A picture too large for a texture of the window.
fn shrunk(picture: &RgbaImage, most: usize) -> ColorImage {
    let smaller = DynamicImage::from(picture.clone())
        .thumbnail(most as u32, most as u32)
        .into_rgba8();
    let size = [smaller.width() as usize, smaller.height() as usize];
    ColorImage::from_rgba_unmultiplied(size, smaller.as_raw())
}
