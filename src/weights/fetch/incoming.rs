//! A file on its way into the folder where it is kept.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::error::{Stop, go_on};
use super::kept::{Wanted, hash, told};
use super::{FetchError, News, Tell};
use crate::weights::Checkpoint;

/// Between two looks at whether another has the file by now.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

impl Wanted<'_> {
    /// The file, which `download` writes as far as it was not there already. Who finds another at it waits.
    ///
    /// # Errors
    /// If the folder cannot be written, the download fails, or what came has another hash than it should. Then it is
    /// kept aside.
    pub fn get(
        &self,
        tell: &mut Tell<'_>,
        download: impl FnOnce(&Path, &mut Tell<'_>) -> Result<(), Stop>,
    ) -> Result<PathBuf, Stop> {
        let folder = self.folder.display();
        fs::create_dir_all(self.folder)
            .map_err(|error| Stop::Failed(format!("folder {folder} cannot be made: {error}")))?;
        let _lock = self.lock(tell)?;
        // Another may have been faster.
        let found = self.find(tell);
        if let Some(path) = found.map_err(|error: FetchError| Stop::Failed(error.to_string()))? {
            return Ok(path);
        }
        let part = self.beside("part");
        download(&part, tell)?;
        self.check(&part).map_err(Stop::Failed)?;
        let path = self.folder.join(self.name);
        fs::rename(&part, &path).map_err(|error| unwritable(&path, &error))?;
        Ok(path)
    }

    /// Whether a file that came is the right one; of one whose hash is not known, that it is a checkpoint at all.
    fn check(&self, part: &Path) -> Result<(), String> {
        let sha256 = hash(part)?;
        match self.sha256_prefix {
            Some(expected) if sha256.starts_with(expected) => Ok(()),
            Some(expected) => {
                let aside = self.put_aside(part, &sha256)?;
                let told = told(&sha256, expected, &aside);
                Err(format!("what came is another file: {told}"))
            }
            None => Checkpoint::open(part).map(drop).map_err(|error| {
                match self.put_aside(part, &sha256) {
                    Ok(aside) => format!("what came {error}; it is kept as {}", aside.display()),
                    Err(told) => told,
                }
            }),
        }
    }

    /// The lock that whoever writes this file has, once nobody else has it.
    fn lock(&self, tell: &mut Tell<'_>) -> Result<File, Stop> {
        let path = self.beside("lock");
        let lock = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => {
                    go_on(tell(News::Waits))?;
                    sleep(BETWEEN_LOOKS);
                }
                // There are file systems that know none.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                    return Ok(lock);
                }
                Err(TryLockError::Error(error)) => return Err(unwritable(&path, &error)),
            }
        }
    }
}

/// Why a file cannot be written.
pub fn unwritable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Failed(format!("{} cannot be written: {error}", path.display()))
}
