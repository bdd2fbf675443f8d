//! `cargo xtask`: what a developer of the project runs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Parser;

#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run all tests, in the profile that `cargo run --release` has already built
    Test {
        /// Passed on to `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check formatting, lints and documentation, warnings being errors
    Check,
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Test { args } => test(&args),
        Task::Check => check(),
    }
}

fn test(args: &[String]) -> Result<()> {
    cargo(["test", "--release"], args)?;
    if !root().join("../shared").is_dir() {
        println!(
            "not run: the tests that need ../shared (photographs, a trained face detector, ONNX's \
             test vectors); seeded tests cover the same code"
        );
    }
    Ok(())
}

fn check() -> Result<()> {
    cargo(["fmt", "--all", "--check"], &[])?;
    cargo(
        ["clippy", "--release", "--workspace", "--all-targets"],
        &["--", "--deny", "warnings"].map(str::to_owned),
    )?;
    cargo(["doc", "--release", "--no-deps"], &[])
}

fn cargo<const N: usize>(command: [&str; N], args: &[String]) -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(command)
        .args(args)
        .current_dir(root())
        .env("RUSTDOCFLAGS", "--deny warnings")
        .status()
        .context("cargo cannot be started")?;
    match status.success() {
        true => Ok(()),
        false => bail!("cargo {} failed", command.join(" ")),
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
