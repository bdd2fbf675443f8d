//! A file on its way into the folder where it is kept.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use fpn_wgpu::weights::Checkpoint;

use super::kept::{Wanted, hash, told};

impl Wanted<'_> {
    /// The file, which `download` writes as far as it was not there already. Who finds another at it waits.
    ///
    /// # Errors
    /// If the folder cannot be written, the download fails, or what came has another hash than it should. Then it is
    /// kept aside.
    pub fn get(&self, download: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        fs::create_dir_all(self.folder)
            .with_context(|| format!("folder {} cannot be made", self.folder.display()))?;
        let _lock = self.lock()?;
        // Another may have been faster.
        if let Some(path) = self.find()? {
            return Ok(path);
        }
        let part = self.beside("part");
        download(&part)?;
        self.check(&part)?;
        let path = self.folder.join(self.name);
        fs::rename(&part, &path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }

    /// Whether a file that came is the right one; of one whose hash is not known, that it is a checkpoint at all.
    fn check(&self, part: &Path) -> Result<()> {
        let sha256 = hash(part)?;
        match self.sha256_prefix {
            Some(expected) if sha256.starts_with(expected) => Ok(()),
            Some(expected) => {
                let aside = self.put_aside(part, &sha256)?;
                bail!(
                    "what came is another file: {}",
                    told(&sha256, expected, &aside)
                )
            }
            None => Checkpoint::open(part).map(drop).map_err(|error| {
                match self.put_aside(part, &sha256) {
                    Ok(aside) => anyhow!("what came {error}; it is kept as {}", aside.display()),
                    Err(error) => error,
                }
            }),
        }
    }

    /// The lock that whoever writes this file has, once nobody else has it.
    fn lock(&self) -> Result<File> {
        let path = self.beside("lock");
        let cannot = || format!("{} cannot be written", path.display());
        let lock = File::create(&path).with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                eprintln!(
                    "{} is being fetched by another fpn: waiting for it",
                    self.name
                );
                lock.lock().with_context(cannot)?;
                Ok(lock)
            }
            // There are file systems that know none.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(lock),
            Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
        }
    }
}
