//! Published weights by name: fetched once from those who published them, and kept in a folder.

mod download;
mod error;
mod incoming;
mod kept;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use self::error::FetchError;
use self::error::Stop;
use self::kept::Wanted;
use super::official::Known;
use crate::models::{Published, Source};

/// The user's folder for what can be had again, where there is one.
pub fn caches() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("fpn-wgpu"))
}

/// What is told while weights are fetched.
#[derive(Debug)]
#[non_exhaustive]
pub enum News<'a> {
    /// What lay in the folder is another file than was published: in a sentence. It is fetched anew.
    Wrong(&'a str),
    /// Another process fetches the same file. Told again and again until it is there.
    Waits,
    /// The file is asked for, at this address.
    Begins(&'a str),
    /// So much of it is here.
    Came {
        /// In bytes.
        bytes: u64,
        /// The whole file's, if the server told.
        of: Option<u64>,
    },
}

/// Who is told, and says whether to go on. A server that says nothing is waited for up to half a minute in between.
pub type Tell<'a> = dyn FnMut(News<'_>) -> ControlFlow<()> + 'a;

/// Where fetched weights are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsFolder(PathBuf);

impl WeightsFolder {
    /// The one that the environment's `FPN_WEIGHTS_DIR` names, or else one of the user's folder for caches.
    ///
    /// # Errors
    /// [`FetchError::NoFolder`] where there is neither.
    pub fn usual() -> Result<Self, FetchError> {
        let told = std::env::var_os("FPN_WEIGHTS_DIR").filter(|folder| !folder.is_empty());
        let usual = || caches().map(|folder| folder.join("weights"));
        let folder = told.map(PathBuf::from).or_else(usual);
        folder.map(Self).ok_or(FetchError::NoFolder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a file of that name is here, whatever is in it.
    pub fn has(&self, file: &Published) -> bool {
        self.0.join(file.file_name).is_file()
    }

    /// Where published weights lie, fetched if they did not. What breaks off, or is given up, is taken up again by the
    /// next who asks. The server is the publisher's, or the one that the environment's `FPN_WEIGHTS_URL` names.
    ///
    /// # Errors
    /// [`FetchError::Unavailable`] if they cannot be fetched, or are not here and may not be, for the reason that is
    /// `forbidden`; [`FetchError::Cancelled`] if `tell` says so; [`FetchError::File`] if what is here cannot be read.
    pub fn get(
        &self,
        known: Known,
        forbidden: Option<&str>,
        tell: &mut Tell<'_>,
    ) -> Result<PathBuf, FetchError> {
        let file = known.file;
        let wanted = Wanted {
            name: file.file_name,
            sha256_prefix: file.sha256_prefix,
            folder: &self.0,
        };
        if let Some(path) = wanted.find(tell)? {
            return Ok(path);
        }
        let unavailable = |reason: String, from: &str| FetchError::Unavailable {
            file: file.file_name,
            reason,
            from: from.to_owned(),
            folder: self.0.clone(),
        };
        match file.source {
            Source::Page(page) => {
                let reason = "its publisher gives it to people only".to_owned();
                Err(unavailable(reason, page))
            }
            Source::Folder(parent) => {
                let url = mirrored(&format!("{parent}{}", file.file_name));
                if let Some(reason) = forbidden {
                    return Err(unavailable(reason.to_owned(), &url));
                }
                fetch(&wanted, &url, tell).map_err(|stop| match stop {
                    Stop::Cancelled => FetchError::Cancelled(file.file_name),
                    Stop::Failed(reason) => unavailable(reason, &url),
                })
            }
        }
    }
}

/// Fetch a file that is not here.
fn fetch(wanted: &Wanted<'_>, url: &str, tell: &mut Tell<'_>) -> Result<PathBuf, Stop> {
    wanted.get(tell, |part, tell| {
        error::go_on(tell(News::Begins(url)))?;
        download::download(&download::agent(url), url, part, tell)
    })
}

/// The same path on the server that `FPN_WEIGHTS_URL` names instead, if it does.
fn mirrored(url: &str) -> String {
    let mirror = std::env::var("FPN_WEIGHTS_URL").unwrap_or_default();
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    match (mirror.trim_end_matches('/'), path) {
        ("", _) | (_, None) => url.to_owned(),
        (mirror, Some((_, path))) => format!("{mirror}/{path}"),
    }
}
