//! Finding and opening pictures.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use fpn_wgpu::data::jpeg;
use image::error::UnsupportedErrorKind;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

/// Most memory of a decoded picture, in MiB.
const MAX_DECODED: u64 = 512;

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
    let explained = |error| anyhow!("{} {}", path.display(), explain(error));
    let decoder = decoder(path).map_err(explained)?;
    let (width, height) = decoder.dimensions();
    let size = decoder.total_bytes() >> 20;
    if size > MAX_DECODED {
        bail!(
            "{} is too large a picture: {width}×{height} pixels take {size} MiB, expected at most {MAX_DECODED}",
            path.display()
        );
    }
    decode(decoder).map_err(explained)
}

fn decoder(path: &Path) -> Result<impl ImageDecoder, ImageError> {
    let reader = ImageReader::new(BufReader::new(File::open(path)?)).with_guessed_format()?;
    // The decoder would fill what is missing with grey.
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg::reaches_end(&std::fs::read(path)?) {
        return Err(ImageError::IoError(ErrorKind::UnexpectedEof.into()));
    }
    reader.into_decoder()
}

fn decode(mut decoder: impl ImageDecoder) -> Result<DynamicImage, ImageError> {
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn explain(error: ImageError) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::NotFound => {
            "does not exist".to_owned()
        }
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "is cut short".to_owned()
        }
        ImageError::IoError(error) => format!("cannot be read: {error}"),
        ImageError::Unsupported(error)
            if matches!(error.kind(), UnsupportedErrorKind::Format(_)) =>
        {
            let known: Vec<&str> = ImageFormat::all()
                .filter(ImageFormat::reading_enabled)
                .flat_map(|format| format.extensions_str().first().copied())
                .collect();
            format!(
                "is no picture of a known format: expected one of {}",
                known.join(", ")
            )
        }
        ImageError::Limits(error) => format!("is too large a picture: {error}"),
        error => format!("is a broken picture: {error}"),
    }
}
