//! Finding and opening pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

/// The pictures that `input` names, sorted: itself, those of a folder (by their extension, not of
/// its folders), or those that match a pattern.
pub fn find(input: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(input);
    if path.is_dir() {
        let mut found = Vec::new();
        let entries = std::fs::read_dir(path).with_context(|| format!("{input} cannot be read"))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("{input} cannot be read"))?
                .path();
            if path.is_file() && has_picture_name(&path) {
                found.push(path);
            }
        }
        found.sort();
        return not_empty(found, || format!("folder {input} holds no pictures"));
    }
    if path.exists() || !input.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let matches = glob::glob(input).with_context(|| format!("{input} is no valid pattern"))?;
    let found = matches.flatten().filter(|path| path.is_file()).collect();
    not_empty(found, || format!("no file matches {input}"))
}

fn not_empty(found: Vec<PathBuf>, error: impl FnOnce() -> String) -> Result<Vec<PathBuf>> {
    match found.is_empty() {
        true => bail!(error()),
        false => Ok(found),
    }
}

fn has_picture_name(path: &Path) -> bool {
    ImageFormat::from_path(path).is_ok_and(|format| format.reading_enabled())
}

/// The picture in a file, its format recognized by content, turned as its EXIF orientation says.
pub fn open(path: &Path) -> Result<DynamicImage> {
    decode(path).map_err(|error| anyhow!("{} {}", path.display(), explain(error)))
}

fn decode(path: &Path) -> Result<DynamicImage, ImageError> {
    let reader = ImageReader::open(path)?.with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn explain(error: ImageError) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "does not exist".to_owned()
        }
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "is cut short".to_owned()
        }
        ImageError::IoError(error) => format!("cannot be read: {error}"),
        ImageError::Unsupported(_) => {
            let known: Vec<&str> = ImageFormat::all()
                .filter(ImageFormat::reading_enabled)
                .flat_map(|format| format.extensions_str().first().copied())
                .collect();
            format!("is no picture: expected one of {}", known.join(", "))
        }
        ImageError::Limits(error) => format!("is too large a picture: {error}"),
        error => format!("is a broken picture: {error}"),
    }
}
