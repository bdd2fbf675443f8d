//! A compiler for browsers: rustup's, or Debian's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

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
enum Route {
    /// The one that built this program, with its target installed.
    Rustup,
    /// Another version, so with a target folder of its own.
    Debian,
}

/// Compile the page's module in the profile `web`; where it lies then.
///
/// # Errors
/// If there is no compiler for browsers, or the module does not compile.
pub fn build() -> Result<PathBuf> {
    let (mut command, folder) = match route()? {
        Route::Rustup => (cargo(["build"]), "target"),
        Route::Debian => (debian_cargo(), "target/wasm"),
    };
    command
        .args(["--package", "fpn-web", "--lib", "--profile", "web"])
        .args(["--target", TARGET, "--target-dir", folder])
        // Random numbers come from the browser.
        .env("RUSTFLAGS", "--cfg getrandom_backend=\"wasm_js\"");
    run(&mut command)?;
    let module = format!("{folder}/{TARGET}/web/fpn_web.wasm");
    Ok(root().join(module))
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

fn route() -> Result<Route> {
    let args = ["--print", "target-libdir", "--target", TARGET];
    let library = Command::new("rustc").args(args).output();
    let library = library.ok().filter(|output| output.status.success());
    let library = library.and_then(|output| String::from_utf8(output.stdout).ok());
    if library.is_some_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Ok(Route::Rustup);
    }
    let has_debian = || DEBIAN_FILES.iter().all(|file| Path::new(file).exists());
    if has_debian() {
        return Ok(Route::Debian);
    }
    let here = debian::install("compiler for browsers", &PACKAGES);
    match here {
        Ok(()) if has_debian() => Ok(Route::Debian),
        Ok(()) => bail!("Debian's compiler for browsers is not where it is expected"),
        Err(error) => Err(error.context(format!("run `rustup target add {TARGET}`"))),
    }
}
