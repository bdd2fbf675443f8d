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

/// What a browser fetches, but for some small files.
const FILES: [&str; 2] = ["fpn_web_bg.wasm", "fpn_web.js"];

/// Build the page into `target/web`, and print how large its files are.
///
/// # Errors
/// If there is no compiler for browsers, or the page does not compile.
pub fn build() -> Result<PathBuf> {
    let module = Compiler::find()?.build()?;
    let folder = root().join("target/web");
    std::fs::create_dir_all(&folder)?;
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .web(true)?
        .omit_default_module_path(false)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&folder)
        .context("wasm-bindgen failed")?;
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

fn print_sizes(folder: &Path) -> Result<()> {
    println!("{}", folder.canonicalize()?.display());
    let mut total = [0; 2];
    for name in FILES {
        let bytes = std::fs::read(folder.join(name))?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        let sizes = [bytes.len(), gzip.finish()?.len()];
        print_size(name, sizes);
        total = [0, 1].map(|index| total[index] + sizes[index]);
    }
    print_size("together", total);
    Ok(())
}

fn print_size(name: &str, [raw, gzip]: [usize; 2]) {
    let kilobytes = |bytes: usize| bytes as f64 / 1e3;
    println!(
        "  {name:<20} {:>8.1} kB, gzip {:>8.1} kB",
        kilobytes(raw),
        kilobytes(gzip)
    );
}
