//! A compiler for browsers: rustup's, or Debian's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, debian, root, run};

const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler for browsers; its standard library comes as source.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// Files of those packages.
const DEBIAN_FILES: [&str; 4] = [
    "/usr/bin/rustc",
    "/usr/bin/cargo",
    "/usr/lib/rustlib/src/rust/library/std/Cargo.toml",
    "/usr/bin/wasm-ld-19",
];

/// Which compiler there is.
pub enum Compiler {
    /// The one that built this program, with its target installed.
    Rustup,
    /// Another version, so with a target folder of its own.
    Debian,
}

impl Compiler {
    /// The one that is there, Debian's installed where that takes no password.
    ///
    /// # Errors
    /// If there is none; the error says how to get one.
    pub fn find() -> Result<Self> {
        if has_rustup_target() {
            return Ok(Self::Rustup);
        }
        let has_debian = || DEBIAN_FILES.iter().all(|file| Path::new(file).exists());
        if !has_debian() {
            debian::install("compiler for browsers", &PACKAGES).with_context(|| {
                format!("run `rustup target add {TARGET}` to compile for browsers")
            })?;
        }
        match has_debian() {
            true => Ok(Self::Debian),
            false => bail!("Debian's compiler for browsers is not where it is expected"),
        }
    }

    /// Compile modules of the page, packages, in the profile `web`; the folder where they lie then.
    ///
    /// # Errors
    /// If they do not compile.
    pub fn build(self, packages: &[&str]) -> Result<PathBuf> {
        let (mut command, folder) = match self {
            Self::Rustup => (cargo(["build"]), "target"),
            Self::Debian => (debian_cargo(), "target/wasm"),
        };
        command
            .args(packages.iter().flat_map(|package| ["--package", package]))
            .args(["--lib", "--profile", "web"])
            .args(["--target", TARGET, "--target-dir", folder])
            // Random numbers come from the browser.
            .env("RUSTFLAGS", "--cfg getrandom_backend=\"wasm_js\"");
        run(&mut command)?;
        Ok(root().join(format!("{folder}/{TARGET}/web")))
    }
}

fn debian_cargo() -> Command {
    let mut command = Command::new("/usr/bin/cargo");
    command
        .arg("build")
        .arg("-Zbuild-std=std,panic_abort")
        .current_dir(root())
        .env("RUSTC", "/usr/bin/rustc")
        // What compiles a standard library is not stable.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19")
        // Set by the cargo that runs this program, and meant for its own compiler.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO");
    command
}

fn has_rustup_target() -> bool {
    let args = ["--print", "target-libdir", "--target", TARGET];
    let library = Command::new("rustc").args(args).output();
    let library = library.ok().filter(|output| output.status.success());
    let library = library.and_then(|output| String::from_utf8(output.stdout).ok());
    library.is_some_and(|folder| Path::new(folder.trim()).is_dir())
}
