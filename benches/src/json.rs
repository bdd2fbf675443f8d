//! Results for machines: a file that is whole or absent.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tempfile::NamedTempFile;

/// A file to come. That it can be written is known before the work for it begins.
pub struct JsonFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl JsonFile {
    pub fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
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
            // The operating system's words, without the temporary file's name.
            .map_err(|error| anyhow!("{}", error.kind()))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self {
            temporary,
            path: path.to_owned(),
        })
    }

    pub fn write(mut self, report: &impl Serialize) -> Result<()> {
        let cannot = || format!("{} cannot be written", self.path.display());
        serde_json::to_writer_pretty(&mut self.temporary, report).with_context(cannot)?;
        self.temporary.write_all(b"\n").with_context(cannot)?;
        let path = &self.path;
        self.temporary
            .persist(path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(())
    }
}
