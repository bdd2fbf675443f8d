//! Why weights are not fetched.

use std::ops::ControlFlow;
use std::path::PathBuf;

/// Why weights are not here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Neither `FPN_WEIGHTS_DIR` nor a folder for caches.
    #[error("there is no folder for caches here, to keep weights in: name one by FPN_WEIGHTS_DIR")]
    NoFolder,
    /// A file that is here cannot be read or renamed: which, and why.
    #[error("{0}")]
    File(String),
    /// They could not be fetched.
    #[error(
        "{file} cannot be fetched: {reason}; fetch it yourself from {from} and put it into {}",
        folder.display()
    )]
    Unavailable {
        /// The file's name.
        file: &'static str,
        /// In a few words.
        reason: String,
        /// An address.
        from: String,
        /// Where it belongs.
        folder: PathBuf,
    },
    /// Whoever was told of it did not want it any more.
    #[error("{0} is not fetched any more")]
    Cancelled(&'static str),
}

/// Why a file does not come.
#[derive(Debug, PartialEq)]
pub enum Stop {
    /// In a few words.
    Failed(String),
    /// Nobody wants it any more.
    Cancelled,
}

/// Stop where that is the answer.
pub fn go_on(answer: ControlFlow<()>) -> Result<(), Stop> {
    match answer {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Stop::Cancelled),
    }
}
