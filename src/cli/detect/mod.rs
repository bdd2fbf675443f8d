//! `fpn detect`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use fpn_wgpu::video::Video;

use super::detector::DetectorArgs;
use super::output::is_stdout;
use super::{Usage, batch};

mod outputs;
mod pictures;
mod video;

/// Find objects in pictures, or in a video
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn detect shapes.jpg --out found.png
  fpn detect street.jpg --weights fasterrcnn_resnet50_fpn_coco-258fb6c6.pth --out found.png
  fpn detect faces/ --model retinaface_mobilenet025 --weights face.pth --json -
  fpn detect 'frames/*.png' --weights mine.safetensors --score 0.5 --out found/ --pyramid levels/
  fpn detect street.mp4 --weights mine.safetensors --json found.jsonl --out found.y4m
  ffmpeg -i rtsp://camera/stream -f yuv4mpegpipe - | fpn detect - --json -

Pictures are turned as their EXIF orientation says. Grey is repeated into red, green and blue, 16
bits are rounded to 8, and alpha is dropped. A folder stands for the pictures in it.

A video is y4m, AVI with Motion JPEG, or mp4 with H.264; of others ffmpeg makes y4m, as above. Of a
video --json writes a line for each frame, after one about all, and --out a y4m video. Ctrl-C ends
an endless one: what was done is kept.")]
pub struct Detect {
    /// Pictures, folders of pictures, or patterns; or one video, - for y4m from standard input
    #[arg(value_name = "INPUT", required = true, value_parser = NonEmptyStringValueParser::new())]
    inputs: Vec<String>,

    #[command(flatten)]
    detector: DetectorArgs,

    /// Write detections as JSON, of a video a line a frame; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write detections in COCO's results format
    #[arg(long, value_name = "FILE")]
    coco: Option<PathBuf>,

    /// Write pictures with boxes: a file, or a folder; of a video a .y4m file, or - for standard output
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,

    /// Write a sheet of the pyramid's levels for each picture: a file, or a folder
    #[arg(long, value_name = "PATH")]
    pyramid: Option<PathBuf>,
}

impl Detect {
    pub fn run(&self) -> Result<()> {
        let (files, failures) = batch::files(&self.inputs);
        match files.iter().find(|file| is_video(file)) {
            None => pictures::run(self, &files, failures),
            Some(video) if self.inputs.len() == 1 => video::run(self, video),
            Some(video) => Err(Usage(format!(
                "{} is a video: expected it alone, not among other inputs",
                video.display()
            ))
            .into()),
        }
    }

    fn json_to_stdout(&self) -> bool {
        self.json.as_deref().is_some_and(is_stdout)
    }
}

/// Whether an input is a video rather than a picture: that is told by its content.
fn is_video(file: &Path) -> bool {
    is_stdout(file) || Video::is_in(file)
}
