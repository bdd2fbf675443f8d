//! `fpn view`.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, anyhow, bail};
use clap::Args;

/// Watch a detector at work in a window: its boxes, and its pyramid beside them
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn view                                         the built-in scene
  fpn view /dev/video0                             a camera
  fpn view photo.jpg --weights coco                published weights by their name, or a checkpoint's file

The window is a program of its own, fpn-viewer, which lists its options:
  cargo install --path app
  fpn-viewer --help")]
pub struct View {
    /// What to look at, and the viewer's options
    #[arg(
        value_name = "SOURCE",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

impl View {
    /// Until the window is closed.
    pub fn run(&self) -> Result<()> {
        let viewer = viewer();
        let status = Command::new(&viewer).args(&self.arguments).status();
        let status = status.map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!(
                "fpn-viewer, the program with the window, is neither beside this one nor on the path: \
                 `cargo install --path app` builds it"
            ),
            _ => anyhow!("{} cannot be started: {error}", viewer.display()),
        })?;
        match status.code() {
            Some(0) => Ok(()),
            // It has said why.
            Some(code) => std::process::exit(code),
            None => bail!("fpn-viewer was ended from outside"),
        }
    }
}

/// The viewer beside this program, as both are built and installed; or else whichever is on the path.
fn viewer() -> PathBuf {
    let name = format!("fpn-viewer{EXE_SUFFIX}");
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join(&name)));
    beside
        .filter(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}
