//! Standard output, and files that are whole or absent: written under a temporary name, then
//! renamed.

use std::collections::HashSet;
use std::fmt::Display;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Stdout, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use image::{DynamicImage, ImageFormat, RgbImage};
use tempfile::NamedTempFile;

use super::Usage;

/// Write a line to standard output. A reader that has seen enough, as `head` has, is no error.
pub fn say(line: impl Display) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}

/// A file to come. That it can be written is known before the work for it begins.
pub struct PendingFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl PendingFile {
    /// Make sure that `path` can be written. Of a link, the file it leads to is.
    pub fn create(path: &Path) -> Result<Self> {
        let cannot = || format!("{} cannot be written", path.display());
        let unfit = match path.metadata() {
            Ok(found) if found.is_dir() => Some("it is a folder"),
            // Renaming would put a file in a device's place.
            Ok(found) if !found.is_file() => Some("it is no regular file"),
            _ => None,
        };
        if let Some(reason) = unfit {
            return Err(anyhow!(reason)).with_context(cannot);
        }
        let path = place(path);
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Of any new file; the process's mask still applies.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder
            .prefix(".fpn-")
            .tempfile_in(folder(&path))
            .map_err(|error| anyhow!("{}", plain(&error)))
            .with_context(cannot)?;
        Ok(Self { temporary, path })
    }

    /// The whole content; the file appears under its name.
    pub fn write(mut self, bytes: &[u8]) -> Result<()> {
        let written = self.stream().write_all(bytes);
        written.with_context(|| self.cannot())?;
        self.finish()
    }

    /// All is written; the file appears under its name.
    pub fn finish(self) -> Result<()> {
        let cannot = self.cannot();
        self.temporary.persist(&self.path).context(cannot)?;
        Ok(())
    }

    fn cannot(&self) -> String {
        format!("{} cannot be written", self.path.display())
    }

    /// Takes the content piece by piece.
    fn stream(&mut self) -> &mut File {
        self.temporary.as_file_mut()
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

/// Where what comes piece by piece goes: a file, or standard output. Its errors name it.
pub struct Sink {
    name: String,
    to: To,
}

enum To {
    Stdout(Stdout),
    File(PendingFile),
}

impl Sink {
    /// A file, or standard output for `-`.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(match is_stdout(path) {
            true => Self {
                name: "standard output".to_owned(),
                to: To::Stdout(std::io::stdout()),
            },
            false => Self {
                name: path.display().to_string(),
                to: To::File(PendingFile::create(path)?),
            },
        })
    }

    /// All is written.
    pub fn finish(self) -> Result<()> {
        match self.to {
            To::Stdout(_) => Ok(()),
            To::File(file) => file.finish(),
        }
    }

    fn named(&self, error: std::io::Error) -> std::io::Error {
        let told = format!("{} cannot be written: {error}", self.name);
        std::io::Error::new(error.kind(), told)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = match &mut self.to {
            To::Stdout(stdout) => stdout.write(bytes),
            To::File(file) => file.stream().write(bytes),
        };
        written.map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let flushed = match &mut self.to {
            To::Stdout(stdout) => stdout.flush(),
            To::File(file) => file.stream().flush(),
        };
        flushed.map_err(|error| self.named(error))
    }
}

/// Whether a path stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// An operating system's error without the temporary file's name.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "its folder does not exist".to_owned(),
        kind => kind.to_string(),
    }
}

/// Where a path leads, links followed.
fn place(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    path.canonicalize()
        .or_else(|_| folder(path).canonicalize().map(|folder| folder.join(name)))
        .unwrap_or_else(|_| path.to_owned())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Make sure that nothing is lost: that no output is an input, or another output as well.
pub fn check_distinct<'a>(
    inputs: impl IntoIterator<Item = &'a PathBuf>,
    outputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let mut taken: HashSet<PathBuf> = inputs.into_iter().map(|input| place(input)).collect();
    match outputs
        .into_iter()
        .find(|output| !taken.insert(place(output)))
    {
        None => Ok(()),
        Some(output) => Err(Usage(format!(
            "{} would be overwritten: it is an input, or another output as well",
            output.display()
        ))
        .into()),
    }
}

/// The files that the pictures drawn for each input go to.
pub struct Gallery {
    pub files: Vec<PathBuf>,
}

impl Gallery {
    /// `path`, as the option `option` gave it, for pictures of `inputs`. A path that names a
    /// picture file takes one; any other is a folder, made if need be.
    pub fn new(option: &str, path: &Path, inputs: &[PathBuf]) -> Result<Self> {
        let format = ImageFormat::from_path(path).ok().filter(|_| !path.is_dir());
        let files = match (format, inputs.len()) {
            (Some(format), _) if !format.writing_enabled() => {
                return Err(Usage(format!(
                    "{option} names {}: expected one of png, jpg, webp, gif, bmp, tiff, ppm, or a folder",
                    path.display()
                ))
                .into());
            }
            (Some(_), 0 | 1) => vec![path.to_owned()],
            (Some(_), count) => {
                return Err(Usage(format!(
                    "{option} names one file, {}, for {count} pictures: expected a folder",
                    path.display()
                ))
                .into());
            }
            (None, _) => {
                std::fs::create_dir_all(path)
                    .with_context(|| format!("folder {} cannot be made", path.display()))?;
                let names = named(inputs, "png").into_iter();
                names.map(|name| path.join(name)).collect()
            }
        };
        Ok(Self { files })
    }
}

/// For each input its name with another ending, numbered where an earlier one has the same.
pub fn named(inputs: &[PathBuf], ending: &str) -> Vec<String> {
    let mut taken = HashSet::new();
    let free = |input: &PathBuf| {
        let stem = input.file_stem().unwrap_or_default().to_string_lossy();
        (1..)
            .map(|number| match number {
                1 => format!("{stem}.{ending}"),
                _ => format!("{stem}-{number}.{ending}"),
            })
            .find(|name| taken.insert(name.clone()))
            .expect("numbers do not end")
    };
    inputs.iter().map(free).collect()
}
