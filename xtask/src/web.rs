//! The page for browsers.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use fpn_web_server::{Server, Site};
use wasm_bindgen_cli_support::Bindgen;

use crate::root;
use crate::wasm::Compiler;

/// The page's modules: the viewer, and the detector alone for an address that says what to look at.
const MODULES: [(&str, &str); 2] = [("fpn-web-viewer", "fpn_web_viewer"), ("fpn-web", "fpn_web")];

/// What lies beside them: the weights that the viewer begins with, and what is shown where it cannot run.
const BESIDE: [(&str, &str); 2] = [
    (
        "src/weights/pyramid_tiny.safetensors",
        "pyramid_tiny.safetensors",
    ),
    ("docs/viewer.png", "viewer.png"),
];

/// Build the page into `target/web`, and print how large its files are.
///
/// # Errors
/// If there is no compiler for browsers, or the page does not compile.
pub fn build() -> Result<PathBuf> {
    let compiled = Compiler::find()?.build(&MODULES.map(|(package, _)| package))?;
    let folder = root().join("target/web");
    std::fs::create_dir_all(&folder)?;
    for (_, module) in MODULES {
        let mut bindgen = Bindgen::new();
        bindgen
            .input_path(compiled.join(module).with_extension("wasm"))
            .web(true)?
            .omit_default_module_path(false)
            .typescript(false)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(&folder)
            .context("wasm-bindgen failed")?;
    }
    for (from, to) in BESIDE {
        std::fs::copy(root().join(from), folder.join(to))?;
    }
    for file in std::fs::read_dir(root().join("web/page"))? {
        let file = file?;
        std::fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    print_sizes(&folder)?;
    Ok(folder)
}

/// Build the page and serve it until the process ends.
///
/// # Errors
/// As [`build`], and if the port is taken.
pub fn serve(port: u16) -> Result<()> {
    let site = Site {
        folder: build()?,
        files: Default::default(),
    };
    let server =
        Server::start(site, port).with_context(|| format!("port {port} cannot be used"))?;
    println!("the page is at {}", server.url(""));
    server.join();
    Ok(())
}

/// For each module with its glue, and for the weights: as they are, and as a server may send them.
fn print_sizes(folder: &Path) -> Result<()> {
    println!("{}", folder.canonicalize()?.display());
    for (_, module) in MODULES {
        let files = [format!("{module}_bg.wasm"), format!("{module}.js")];
        print_size(folder, module, &files)?;
    }
    let weights = "pyramid_tiny.safetensors".to_owned();
    print_size(folder, "pyramid_tiny", &[weights])
}

fn print_size(folder: &Path, name: &str, files: &[String]) -> Result<()> {
    let [mut raw, mut gzip] = [0; 2];
    for file in files {
        let bytes = std::fs::read(folder.join(file))?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        raw += bytes.len();
        gzip += encoder.finish()?.len();
    }
    let kilobytes = |bytes: usize| bytes as f64 / 1e3;
    println!(
        "  {name:<20} {:>8.1} kB, gzip {:>8.1} kB",
        kilobytes(raw),
        kilobytes(gzip)
    );
    Ok(())
}
