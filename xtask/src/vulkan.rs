//! Vulkan drivers for the tests.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::debian;

/// What a Debian or Ubuntu machine without a GPU needs: the loader, and llvmpipe.
const PACKAGES: [&str; 2] = ["libvulkan1", "mesa-vulkan-drivers"];

/// Where Debian's Chromium puts a second, independent driver.
const SWIFTSHADER: &str = "/usr/lib/chromium/vk_swiftshader_icd.json";

/// Make sure that there is a Vulkan driver, installing one where that takes no password. Other
/// systems than Linux bring their own way to the GPU.
pub fn ensure_driver() -> Result<()> {
    if !cfg!(target_os = "linux") || has_driver() {
        return Ok(());
    }
    debian::install("Vulkan driver", &PACKAGES)
}

/// The variable that tells Mesa's drivers where to keep what they have compiled: in one place for all tests,
/// also for commands whose own cache is empty.
pub fn shader_cache() -> Result<(&'static str, PathBuf)> {
    let folder = crate::root().join("target/shaders");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(("MESA_SHADER_CACHE_DIR", folder))
}

/// The second driver, where Debian's Chromium is installed.
pub fn second_driver() -> Option<PathBuf> {
    let icd = PathBuf::from(SWIFTSHADER);
    icd.exists().then_some(icd)
}

/// Whether there is a loader and a driver's manifest.
fn has_driver() -> bool {
    let loader = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib"]
        .iter()
        .flat_map(|folder| {
            [PathBuf::from(folder)]
                .into_iter()
                .chain(entries(Path::new(folder)))
        })
        .any(|folder| folder.join("libvulkan.so.1").exists());
    let manifests = [
        "/usr/share/vulkan/icd.d",
        "/etc/vulkan/icd.d",
        "/usr/local/share/vulkan/icd.d",
    ];
    let named = ["VK_ICD_FILENAMES", "VK_DRIVER_FILES"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    loader
        && (named
            || manifests
                .iter()
                .any(|folder| !entries(Path::new(folder)).is_empty()))
}

/// What a folder holds; nothing where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
