//! Files that the user gives: on disk, or in memory, as a browser hands them over.

use std::ffi::OsStr;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fpn_wgpu::Checkpoint;
use fpn_wgpu::video::{Video, VideoError};
use fpn_wgpu::weights::WeightsError;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, RgbaImage};

use crate::platform;

/// Endings of files that a folder's pictures are told by.
pub const PICTURES: [&str; 10] = [
    "png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm",
];

/// A file.
#[derive(Clone, Debug, PartialEq)]
pub enum File {
    /// On disk.
    Path(PathBuf),
    /// In memory, with its name.
    Memory(Arc<str>, Arc<[u8]>),
}

impl From<&Path> for File {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl File {
    /// Its name with the way to it, as far as that is known.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Memory(name, _) => name.to_string(),
        }
    }

    /// Whether its name is a picture's.
    pub fn is_picture(&self) -> bool {
        let path = match self {
            Self::Path(path) => path,
            Self::Memory(name, _) => Path::new(&**name),
        };
        let ending = path.extension().and_then(OsStr::to_str);
        ending.is_some_and(|ending| PICTURES.contains(&ending.to_ascii_lowercase().as_str()))
    }

    /// Whether it begins as a video.
    pub fn is_video(&self) -> bool {
        match self {
            Self::Path(path) => Video::is_in(path),
            Self::Memory(_, bytes) => Video::is_in_bytes(bytes),
        }
    }

    /// Whether it begins as a checkpoint.
    pub fn is_checkpoint(&self) -> bool {
        match self {
            Self::Path(path) => platform::is_checkpoint(path),
            Self::Memory(_, bytes) => Checkpoint::is_in_bytes(bytes),
        }
    }

    /// The video in it.
    ///
    /// # Errors
    /// As [`Video::open`].
    pub fn video(&self) -> Result<Video, VideoError> {
        match self {
            Self::Path(path) => Video::open(path),
            Self::Memory(_, bytes) => Video::read(Cursor::new(bytes.clone()), bytes.len() as u64),
        }
    }

    /// The checkpoint in it.
    ///
    /// # Errors
    /// As [`Checkpoint::from_bytes`].
    pub fn checkpoint(&self) -> Result<Checkpoint, WeightsError> {
        match self {
            Self::Path(path) => platform::checkpoint(path),
            Self::Memory(_, bytes) => Checkpoint::from_bytes(bytes.to_vec()),
        }
    }

    /// The picture in it, turned as its EXIF orientation says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn picture(&self) -> Result<RgbaImage, ImageError> {
        match self {
            Self::Path(path) => decoded(ImageReader::open(path)?),
            Self::Memory(_, bytes) => decoded(ImageReader::new(Cursor::new(&**bytes))),
        }
    }
}

fn decoded(
    reader: ImageReader<impl std::io::BufRead + std::io::Seek>,
) -> Result<RgbaImage, ImageError> {
    let mut decoder = reader.with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    // The detector sees no alpha either.
    Ok(DynamicImage::from(picture.into_rgb8()).into_rgba8())
}
