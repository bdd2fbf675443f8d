//! Shapes that move, as a y4m video on standard output: `cargo run --release --example animation |
//! fpn detect - --out found.y4m`. Arguments: width, height, frames.

use std::io::{self, Write};

use fpn_wgpu::data::scenes::Animation;
use fpn_wgpu::video::{Rate, Writer};
use image::DynamicImage;

const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Result<Vec<u32>, _> = std::env::args().skip(1).map(|word| word.parse()).collect();
    let (width, height, frames) = match numbers?[..] {
        [] => (640, 480, 250),
        [width, height, frames] => (width, height, frames),
        _ => return Err("expected width, height and frames".into()),
    };
    let animation = Animation::new(SEED, width, height);
    let rate = Rate::new(25, 1).ok_or("a rate is above 0")?;
    let mut video = Writer::new(io::stdout(), (width, height), rate)?;
    for frame in 0..frames {
        let time = f64::from(frame) / rate.per_second();
        let picture = DynamicImage::from(animation.frame(time as f32).picture);
        video.write(&picture.to_rgb8())?;
    }
    Ok(video.into_inner().flush()?)
}
