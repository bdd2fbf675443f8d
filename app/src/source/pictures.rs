//! Pictures in files: one, or all of a folder, one at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{DynamicImage, ImageDecoder, ImageReader, RgbaImage};

use super::{Control, Frame, Source, SourceError};

/// Endings of files that a folder's pictures are told by.
const ENDINGS: [&str; 10] = [
    "png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm",
];

/// Whether a file's name is a picture's.
pub fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Where a picture of the source is.
enum Place {
    File(PathBuf),
    Memory(Arc<RgbaImage>),
}

/// Pictures that are looked at one by one.
pub struct PictureSource {
    name: String,
    places: Vec<Place>,
    /// The next one.
    index: usize,
}

impl PictureSource {
    /// One file.
    pub fn file(path: &Path) -> Self {
        Self::files(path, vec![path.to_owned()])
    }

    /// All pictures of a folder, in the order of their names.
    ///
    /// # Errors
    /// If it cannot be read, or has none.
    pub fn folder(path: &Path) -> Result<Self, SourceError> {
        let told = |error: std::io::Error| {
            SourceError(format!("{} cannot be read: {error}", path.display()))
        };
        let entries = std::fs::read_dir(path).map_err(told)?;
        let entries: Result<Vec<_>, _> = entries.collect();
        let mut files: Vec<PathBuf> = entries.map_err(told)?.iter().map(|e| e.path()).collect();
        files.retain(|file| is_picture(file) && file.is_file());
        files.sort();
        if files.is_empty() {
            return Err(SourceError(format!(
                "{} has no pictures in it: expected files that end in {}",
                path.display(),
                ENDINGS.join(", ")
            )));
        }
        Ok(Self::files(path, files))
    }

    /// One that is in memory already, such as the clipboard's.
    pub fn memory(name: &str, picture: RgbaImage) -> Self {
        Self {
            name: name.to_owned(),
            places: vec![Place::Memory(Arc::new(picture))],
            index: 0,
        }
    }

    fn files(path: &Path, files: Vec<PathBuf>) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            places: files.into_iter().map(Place::File).collect(),
            index: 0,
        }
    }
}

impl Source for PictureSource {
    fn next(&mut self, control: &Control) -> Result<Option<Frame>, SourceError> {
        let turn = control.take_turn();
        let last = self.places.len() as i64 - 1;
        if turn != 0 {
            // The one that was shown last is the one before the next.
            let shown = self.index as i64 - 1;
            self.index = (shown + turn).clamp(0, last) as usize;
        }
        let index = self.index;
        let Some(place) = self.places.get(index) else {
            return Ok(None);
        };
        self.index += 1;
        let (name, picture) = match place {
            Place::File(path) => (path.display().to_string(), Arc::new(open(path)?)),
            Place::Memory(picture) => (self.name.clone(), picture.clone()),
        };
        Ok(Some(Frame {
            number: index as u64,
            ..Frame::new(picture, &name)
        }))
    }

    fn count(&self) -> Option<usize> {
        Some(self.places.len())
    }
}

/// A picture, turned as its EXIF orientation says.
///
/// # Errors
/// If it cannot be read.
fn open(path: &Path) -> Result<RgbaImage, SourceError> {
    let told = |error: image::ImageError| {
        SourceError(format!(
            "{} is no picture that can be read: {error}",
            path.display()
        ))
    };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let reader = reader.map_err(|error| told(error.into()))?;
    let mut decoder = reader.into_decoder().map_err(told)?;
    let orientation = decoder.orientation().map_err(told)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(told)?;
    picture.apply_orientation(orientation);
    // The detector sees no alpha either.
    Ok(DynamicImage::from(picture.into_rgb8()).into_rgba8())
}
