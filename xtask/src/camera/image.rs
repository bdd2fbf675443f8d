//! The file system that the machine starts with: busybox, vivid, the tests, and a script that runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::PASSED;
use super::modules;
use super::system::System;

/// What a system needs before its programs can run.
const START: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo nobody:x:65534:65534::/:/bin/sh > /etc/passwd
";

/// Three webcams, and nothing else of what vivid can be.
const VIVID: &str = "n_devs=3 node_types=0x1,0x1,0x1 num_inputs=1,1,1 input_types=0x0,0x0,0x0";

/// Who may do anything is refused nothing, so that test is run as nobody.
const TESTS: &str = "tests='/tests --ignored --test-threads 1 --show-output'
$tests --skip refused && su nobody -c \"$tests refused\"";

/// The file system's archive, made beside the folder that it is collected in.
///
/// # Errors
/// If something cannot be read or written.
pub fn pack(system: &System, tests: &Path, folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for name in ["bin", "dev", "etc", "modules", "proc", "sys"] {
        fs::create_dir_all(folder.join(name))?;
    }
    fs::copy(system.busybox(), folder.join("bin/busybox"))?;
    fs::copy(tests, folder.join("tests"))?;
    for library in libraries(tests)? {
        let copy = folder.join(library.strip_prefix("/")?);
        fs::create_dir_all(copy.parent().unwrap_or(folder))?;
        fs::copy(&library, &copy)?;
    }
    let mut script = START.to_owned();
    for module in modules::with_dependencies(system, "vivid")? {
        let name = module.name;
        fs::write(folder.join("modules").join(&name), module.content)?;
        let options = if name == "vivid" { VIVID } else { "" };
        script += &format!("insmod /modules/{name} {options}\n");
    }
    script += &format!("{TESTS} && echo {PASSED}\npoweroff -f\n");
    let init = folder.join("init");
    fs::write(&init, script)?;
    // Executable, as they are.
    fs::set_permissions(&init, fs::metadata(tests)?.permissions())?;
    archive(system, folder)
}

/// The libraries of a program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("ldd cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.split_whitespace();
    Ok(words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}

fn archive(system: &System, folder: &Path) -> Result<PathBuf> {
    let archive = folder.with_extension("cpio");
    let status = Command::new("sh")
        .args(["-c", r#""$0" find . | "$0" cpio -o -H newc > "$1""#])
        .args([&system.busybox(), &archive])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .context("sh cannot be started")?;
    match status.success() {
        true => Ok(archive),
        false => bail!("{} cannot be packed", folder.display()),
    }
}
