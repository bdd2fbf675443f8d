//! Published files in the folder where they are kept: whole and right, or absent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{FetchError, News, Tell};
use crate::weights::official;

/// How many digits of a hash tell two wrong files apart.
const DIGITS: usize = 8;

/// A file that should be in a folder.
pub struct Wanted<'a> {
    /// Its name there.
    pub name: &'a str,
    /// What its SHA-256 begins with; none where that is not known.
    pub sha256_prefix: Option<&'a str>,
    pub folder: &'a Path,
}

impl Wanted<'_> {
    /// Where the file is, if it is here and has the right hash. One that has another is kept aside.
    ///
    /// # Errors
    /// If it cannot be read, or renamed.
    pub fn find(&self, tell: &mut Tell<'_>) -> Result<Option<PathBuf>, FetchError> {
        let path = self.folder.join(self.name);
        if !path.is_file() {
            return Ok(None);
        }
        let Some(expected) = self.sha256_prefix else {
            return Ok(Some(path));
        };
        let sha256 = hash(&path).map_err(FetchError::File)?;
        if sha256.starts_with(expected) {
            return Ok(Some(path));
        }
        let aside = self.put_aside(&path, &sha256).map_err(FetchError::File)?;
        let wrong = format!(
            "{} is not as published: {}",
            path.display(),
            told(&sha256, expected, &aside)
        );
        // Whether to go on is asked again before anything is fetched.
        let _ = tell(News::Wrong(&wrong));
        Ok(None)
    }

    /// Give a wrong file another name.
    pub fn put_aside(&self, path: &Path, sha256: &str) -> Result<PathBuf, String> {
        let aside = self.beside(&format!("wrong-{}", &sha256[..DIGITS]));
        let renamed = fs::rename(path, &aside);
        renamed.map_err(|error| format!("{} cannot be renamed: {error}", path.display()))?;
        Ok(aside)
    }

    /// A file with another ending behind the name.
    pub fn beside(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
pub fn hash(path: &Path) -> Result<String, String> {
    let sha256 = File::open(path).and_then(official::sha256);
    sha256.map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// That a file is another than it should be.
pub fn told(sha256: &str, expected: &str, aside: &Path) -> String {
    let found = &sha256[..expected.len().min(sha256.len())];
    format!(
        "its SHA-256 begins with {found}, expected {expected}; it is kept as {}",
        aside.display()
    )
}
