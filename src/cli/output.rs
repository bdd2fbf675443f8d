//! Files that are whole or absent: written under a temporary name, then renamed.

use std::collections::HashSet;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::{DynamicImage, ImageFormat, RgbImage};
use tempfile::NamedTempFile;

use super::Usage;

/// A file to come. That it can be written is known before the work for it begins.
pub struct PendingFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl PendingFile {
    /// Make sure that `path` can be written.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let cannot = || format!("{} cannot be written", path.display());
        if path.is_dir() {
            return Err(anyhow::anyhow!("it is a folder")).with_context(cannot);
        }
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Of any new file; the process's mask still applies.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder
            .prefix(".fpn-")
            .tempfile_in(folder)
            .map_err(|error| anyhow::anyhow!("{}", plain(&error)))
            .with_context(cannot)?;
        Ok(Self {
            temporary,
            path: path.to_owned(),
        })
    }

    /// The whole content; the file appears under its name.
    pub fn write(mut self, bytes: &[u8]) -> Result<()> {
        let cannot = || format!("{} cannot be written", self.path.display());
        self.temporary.write_all(bytes).with_context(cannot)?;
        self.temporary
            .persist(&self.path)
            .with_context(|| format!("{} cannot be written", self.path.display()))?;
        Ok(())
    }

    /// A picture, in the format that the file's name says, or else as PNG.
    pub fn write_picture(self, picture: RgbImage) -> Result<()> {
        let format = ImageFormat::from_path(&self.path).unwrap_or(ImageFormat::Png);
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(picture)
            .write_to(&mut bytes, format)
            .with_context(|| format!("{} cannot be encoded", self.path.display()))?;
        self.write(bytes.get_ref())
    }
}

/// An operating system's error without the temporary file's name.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
        kind => kind.to_string(),
    }
}

/// Where the pictures drawn for each input go: one file, or a folder of them.
pub enum Gallery {
    /// The name of the only picture.
    File(PathBuf),
    /// A folder, and the names already given out in it.
    Folder(PathBuf, HashSet<String>),
}

impl Gallery {
    /// `path`, as the option `option` gave it, for `count` pictures. A path that names a picture
    /// file takes one; any other is a folder, made if need be.
    pub fn new(option: &str, path: &Path, count: usize) -> Result<Self> {
        let is_file = !path.is_dir() && ImageFormat::from_path(path).is_ok();
        match (is_file, count) {
            (true, 0 | 1) => Ok(Self::File(path.to_owned())),
            (true, _) => Err(Usage(format!(
                "{option} names one file, {}, for {count} pictures: expected a folder",
                path.display()
            ))
            .into()),
            (false, _) => {
                std::fs::create_dir_all(path)
                    .with_context(|| format!("folder {} cannot be made", path.display()))?;
                Ok(Self::Folder(path.to_owned(), HashSet::new()))
            }
        }
    }

    /// The file for the picture drawn for `input`: its name as PNG, numbered where two inputs have
    /// the same.
    pub fn file(&mut self, input: &Path) -> Result<PendingFile> {
        match self {
            Self::File(path) => PendingFile::create(path),
            Self::Folder(folder, taken) => {
                let stem = input.file_stem().unwrap_or_default().to_string_lossy();
                let name = (1..)
                    .map(|number| match number {
                        1 => format!("{stem}.png"),
                        _ => format!("{stem}-{number}.png"),
                    })
                    .find(|name| taken.insert(name.clone()))
                    .expect("numbers do not end");
                PendingFile::create(&folder.join(name))
            }
        }
    }
}
