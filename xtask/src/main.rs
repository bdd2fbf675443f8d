//! `cargo xtask`: what a developer of the project runs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Parser;

mod browser;
mod camera;
mod debian;
mod vulkan;
mod wasm;
mod web;

#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run all tests, in the profile that `cargo run --release` has already built
    Test {
        /// Passed on to `cargo test`; then only this run is made
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check formatting, lints and documentation, warnings being errors
    Check,
    /// Test cameras in a virtual machine with V4L2's driver for testing, on Debian
    CameraTest,
    /// Measure a frame in headless Chromium beside the same library outside, on SwiftShader
    WebBench,
    /// Build the page for browsers into target/web
    Web {
        /// Serve it then at http://localhost:PORT
        #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8000")]
        serve: Option<u16>,
    },
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Test { args } => test(&args),
        Task::Check => check(),
        Task::CameraTest => camera::test(),
        Task::WebBench => browser::bench(),
        Task::Web { serve: None } => web::build().map(drop),
        Task::Web { serve: Some(port) } => web::serve(port),
    }
}

/// Tests that suit a slow second driver: every kernel, every step, and whole models at small sizes.
const ON_SECOND_DRIVER: [&[&str]; 3] = [
    &[
        "--test",
        "kernels",
        "--test",
        "session",
        "--",
        // What a model gives back, and how much of it fits, is the same on any driver.
        "--skip",
        "all_outputs_of_a_frame",
        "--skip",
        "more_maps_than_one_buffer",
    ],
    &[
        "--test",
        "parity",
        "--",
        // Of each system the smallest.
        "gpu::resnet18_s1",
        "gpu::c4_resnet101_s3",
        "gpu::d2_50_s2",
        "gpu::efpn_50_hat_s11",
        "gpu::fpn_resnet50_s1",
        "retinaface::gpu",
        "gpu::mobilenet_v3_large_320_s47",
        "gpu::maskrcnn_resnet50_fpn_s3",
        "gpu::retinanet_resnet50_fpn_v2_s8",
        "gpu::fcos_resnet50_fpn_s6",
        "nanodet::gpu",
        "photos::gpu",
        "hat::gpu::hats_parts",
    ],
    &[
        "--test",
        "own",
        "--",
        "published::hat_groups",
        "published::mixer",
        "published::shufflenet_units",
        "published::two_inputs_and_three_outputs",
        "published::vit",
    ],
];

fn test(args: &[String]) -> Result<()> {
    vulkan::ensure_driver()?;
    let shaders = vulkan::shader_cache()?;
    run(cargo(["test", "--release"]).args(args).envs([shaders]))?;
    if !args.is_empty() {
        return Ok(());
    }
    match vulkan::second_driver() {
        Some(icd) => {
            println!("once more on SwiftShader:");
            for tests in ON_SECOND_DRIVER {
                run(cargo(["test", "--release"])
                    .args(tests)
                    .env("VK_ICD_FILENAMES", &icd))?;
            }
        }
        None => println!(
            "not run: tests on a second Vulkan driver, SwiftShader (Debian's package chromium)"
        ),
    }
    browser::test()?;
    if !root().join("../shared").is_dir() {
        println!(
            "not run: the tests that need ../shared (photographs, a trained face detector, ONNX's \
             test vectors); seeded tests cover the same code"
        );
    }
    Ok(())
}

fn check() -> Result<()> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    let clippy = [
        "clippy",
        "--release",
        "--workspace",
        // Its peer burn-wgpu takes twenty minutes to build.
        "--exclude",
        "fpn-bench",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    run(&mut cargo(clippy))?;
    run(cargo(["doc", "--release", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
}

fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root());
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context("cargo cannot be started")?;
    match status.success() {
        true => Ok(()),
        false => bail!("{command:?} failed"),
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
