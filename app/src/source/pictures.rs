//! Pictures in files: one, or all of a folder, one at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbaImage;

use super::{Control, Frame, Source, SourceError};
use crate::file::{File, PICTURES};

/// Where a picture of the source is.
enum Place {
    File(File),
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
    pub fn file(file: File) -> Self {
        Self::files(file.name(), vec![file])
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
        files.retain(|file| file.is_file());
        files.sort();
        let mut files: Vec<File> = files.into_iter().map(File::Path).collect();
        files.retain(File::is_picture);
        if files.is_empty() {
            return Err(SourceError(format!(
                "{} has no pictures in it: expected files that end in {}",
                path.display(),
                PICTURES.join(", ")
            )));
        }
        Ok(Self::files(path.display().to_string(), files))
    }

    /// One that is in memory already, such as the clipboard's.
    pub fn memory(name: &str, picture: RgbaImage) -> Self {
        Self {
            name: name.to_owned(),
            places: vec![Place::Memory(Arc::new(picture))],
            index: 0,
        }
    }

    fn files(name: String, files: Vec<File>) -> Self {
        Self {
            name,
            places: files.into_iter().map(Place::File).collect(),
            index: 0,
        }
    }
}

impl Source for PictureSource {
    async fn next(&mut self, control: &Control) -> Result<Option<Frame>, SourceError> {
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
            Place::File(file) => {
                let picture = file.picture().map_err(|error| {
                    SourceError(format!(
                        "{} is no picture that can be read: {error}",
                        file.name()
                    ))
                })?;
                (file.name(), Arc::new(picture))
            }
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
