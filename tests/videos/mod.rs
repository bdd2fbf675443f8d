//! Videos that the tests make.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, RgbImage};

/// A file of `tests/goldens/video`, made by the script beside it.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/goldens/video")
        .join(name)
}

/// A y4m video with this after `YUV4MPEG2`, of pictures that are given by their samples.
pub fn y4m(parameters: &str, pictures: &[Vec<u8>]) -> Vec<u8> {
    let mut video = format!("YUV4MPEG2 {parameters}\n").into_bytes();
    for samples in pictures {
        video.extend_from_slice(b"FRAME\n");
        video.extend_from_slice(samples);
    }
    video
}

/// A picture as JPEG.
pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    let encoded = DynamicImage::from(picture.clone()).write_with_encoder(encoder);
    encoded.expect("a picture can be encoded");
    bytes.into_inner()
}

/// A chunk of RIFF.
pub fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32).to_le_bytes();
    let padding = &[0][..content.len() % 2];
    [name, &size, content, padding].concat()
}

fn list(name: &[u8; 4], kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    chunk(name, &[&kind[..], &parts.concat()].concat())
}

/// What is in an AVI.
pub struct Avi {
    /// Of the codec; Motion JPEG's is MJPG.
    pub codec: [u8; 4],
    pub size: [u32; 2],
    /// Pictures per second.
    pub rate: [u32; 2],
    /// A list for each segment of OpenDML.
    pub segments: Vec<Vec<Vec<u8>>>,
}

impl Avi {
    /// Of one segment, 10 pictures per second.
    pub fn new([width, height]: [u32; 2], pictures: Vec<Vec<u8>>) -> Self {
        Self {
            codec: *b"MJPG",
            size: [width, height],
            rate: [10, 1],
            segments: vec![pictures],
        }
    }

    /// With sound beside the pictures, as stream 0.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let count: usize = self.segments.iter().map(Vec::len).sum();
        let [width, height] = self.size;
        let codec = u32::from_le_bytes(self.codec);
        let video = [&b"vids"[..], &self.codec, &[0; 12]].concat();
        let rates = words(&[self.rate[1], self.rate[0], 0, count as u32, 0, 0, 0, 0, 0]);
        let video = chunk(b"strh", &[video, rates].concat());
        let format = words(&[40, width, height, 1 | 24 << 16, codec, 0, 0, 0, 0, 0]);
        let sound = chunk(b"strh", &[&b"auds"[..], &[0; 52]].concat());
        let streams = [
            chunk(b"avih", &[0; 56]),
            list(b"LIST", b"strl", &[sound, chunk(b"strf", &[0; 18])]),
            list(b"LIST", b"strl", &[video, chunk(b"strf", &format)]),
            list(b"LIST", b"odml", &[chunk(b"dmlh", &[0; 248])]),
        ];
        let mut file = Vec::new();
        for (index, pictures) in self.segments.iter().enumerate() {
            let mut chunks = vec![chunk(b"00wb", &[1, 2, 3]), chunk(b"JUNK", &[0; 5])];
            chunks.extend(pictures.iter().map(|picture| chunk(b"01dc", picture)));
            let movi = list(b"LIST", b"movi", &chunks);
            file.extend(match index {
                0 => {
                    let index = chunk(b"idx1", &[0; 16]);
                    let header = list(b"LIST", b"hdrl", &streams);
                    list(b"RIFF", b"AVI ", &[header, movi, index])
                }
                _ => list(b"RIFF", b"AVIX", &[movi]),
            });
        }
        file
    }
}
