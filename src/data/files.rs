//! Sets whose pictures are files.

use std::io::{self, Cursor, ErrorKind};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, ImageReader, ImageResult};

use super::{DataError, Example, ImageSet, Object, jpeg};
use crate::boxes::BBox;

/// A picture in a file.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The file.
    pub path: PathBuf,
    /// Height and width in pixels, as the annotation says.
    pub size: [usize; 2],
    /// What is in it.
    pub objects: Vec<Object>,
}

/// Listed pictures, and the names of what is in them.
#[derive(Clone, Debug)]
pub struct Listing {
    /// A name for every label, the background's first.
    pub class_names: Vec<String>,
    /// In order.
    pub pictures: Vec<Listed>,
}

impl ImageSet for Listing {
    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn name(&self, index: usize) -> String {
        self.pictures[index].path.display().to_string()
    }

    fn size(&self, index: usize) -> [usize; 2] {
        self.pictures[index].size
    }

    fn has_objects(&self, index: usize) -> bool {
        let mut objects = self.pictures[index].objects.iter();
        objects.any(|object| !object.crowd)
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let Listed {
            path,
            size,
            objects,
        } = &self.pictures[index];
        // Annotations are of the pixels as they are stored: EXIF turns nothing here.
        let picture = read(path).map_err(|error| unreadable(path, &error))?;
        let found = [picture.height(), picture.width()].map(|side| side as usize);
        // Else its boxes are of another picture, or of this one before it was resized.
        match found == *size {
            true => Ok(Example {
                picture: picture.into_rgba8(),
                objects: objects.clone(),
            }),
            false => Err(DataError(format!(
                "{} is {} × {} pixels, but its annotation says {} × {}",
                path.display(),
                found[1],
                found[0],
                size[1],
                size[0]
            ))),
        }
    }
}

fn read(path: &Path) -> ImageResult<DynamicImage> {
    let bytes = std::fs::read(path)?;
    let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format()?;
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg::reaches_end(&bytes) {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "it is cut short").into());
    }
    reader.decode()
}

/// That the picture's file cannot be read, in a line.
pub fn unreadable(path: &Path, error: &image::ImageError) -> DataError {
    // Decoders end some of their messages with a line's end.
    let error = error.to_string();
    DataError(format!(
        "{} cannot be read: {}",
        path.display(),
        error.trim_end()
    ))
}

/// The label of a class; why it has none, as the end of a sentence.
pub fn label_of(name: &str, class_names: &[String]) -> Result<usize, String> {
    match class_names.iter().position(|known| known == name) {
        Some(label) if label > 0 => Ok(label),
        _ => Err(format!(
            "is '{name}', expected one of {}",
            class_names.get(1..).unwrap_or_default().join(", ")
        )),
    }
}

/// The box cut to the picture, of `size` (height, width) pixels, if it reaches out of it by no more than
/// a pixel, as boxes counted from 0 or from 1 by mistake do, and has an area.
pub fn fitting(bbox: BBox, [height, width]: [usize; 2]) -> Option<BBox> {
    let [x1, y1, x2, y2] = bbox;
    let (width, height) = (width as f32, height as f32);
    let is_inside = x1 >= -1.0 && y1 >= -1.0 && x2 <= width + 1.0 && y2 <= height + 1.0;
    let cut = [x1.max(0.0), y1.max(0.0), x2.min(width), y2.min(height)];
    (is_inside && cut[2] > cut[0] && cut[3] > cut[1]).then_some(cut)
}
