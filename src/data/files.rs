//! Sets whose pictures are files.

use std::path::{Path, PathBuf};

use image::ImageReader;

use super::{DataError, Example, ImageSet, Object};
use crate::ops::boxes::BBox;

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
        let picture = &self.pictures[index];
        Ok(Example {
            // Annotations are of the pixels as they are stored: EXIF turns nothing here.
            picture: read(&picture.path)
                .map_err(|error| unreadable(&picture.path, &error))?
                .into_rgba8(),
            objects: picture.objects.clone(),
        })
    }
}

fn read(path: &Path) -> image::ImageResult<image::DynamicImage> {
    ImageReader::open(path)?.with_guessed_format()?.decode()
}

fn unreadable(path: &Path, error: &image::ImageError) -> DataError {
    // Decoders end some of their messages with a line's end.
    let error = error.to_string();
    DataError(format!(
        "{} cannot be read: {}",
        path.display(),
        error.trim_end()
    ))
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
