//! Debian's packages, unpacked: a kernel, busybox, and the emulator where it is not installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian;

/// Depends on the newest of Debian's kernels.
const KERNEL: &str = "linux-image-amd64";

const EMULATOR: &str = "qemu-system-x86";

/// The emulator's program.
const QEMU: &str = "qemu-system-x86_64";

/// After how many seconds the machine is switched off.
const LIMIT: &str = "180";

pub struct System(PathBuf);

impl System {
    /// Unpacks what is not there into a folder.
    ///
    /// # Errors
    /// Elsewhere than on Debian, and if a package cannot be fetched.
    pub fn unpack(root: PathBuf) -> Result<Self> {
        // Made last, so that an unpacking that was interrupted is done again.
        let done = root.join("packages.txt");
        if !done.exists() {
            // What another kernel left there would be mixed with it.
            if root.exists() {
                std::fs::remove_dir_all(&root)?;
            }
            let kernel = debian::newest(KERNEL)?;
            let mut packages = vec![kernel, "busybox-static".to_owned()];
            if !is_installed(QEMU) {
                packages.extend(debian::missing(EMULATOR)?);
            }
            debian::unpack(&packages, &root)?;
            std::fs::write(done, packages.join("\n"))?;
        }
        Ok(Self(root))
    }

    /// A program without libraries that is most of Unix's tools.
    pub fn busybox(&self) -> PathBuf {
        self.existing(&["bin/busybox", "usr/bin/busybox"])
    }

    /// Where the kernel's modules are.
    pub fn modules(&self) -> PathBuf {
        self.existing(&["lib/modules", "usr/lib/modules"])
    }

    /// The machine, started with a file system in memory.
    ///
    /// # Errors
    /// If there is no kernel.
    pub fn machine(&self, image: &Path) -> Result<Command> {
        // It ends by itself, unless the kernel does not come up.
        let mut machine = Command::new("timeout");
        machine.arg(LIMIT);
        let qemu = self.0.join("usr/bin").join(QEMU);
        if qemu.exists() {
            let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
            let libraries = libraries.map(|folder| self.0.join(folder));
            machine
                .env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?)
                .arg(qemu);
            for folder in ["usr/share/qemu", "usr/share/seabios"] {
                machine.arg("-L").arg(self.0.join(folder));
            }
        } else {
            machine.arg(QEMU);
        }
        machine
            // By software: it needs no rights, and runs within other virtual machines.
            .args(["-accel", "tcg", "-m", "512", "-nodefaults", "-no-reboot"])
            .args(["-display", "none", "-serial", "stdio"])
            // What else the kernel says would stand between the tests' lines.
            .args(["-append", "console=ttyS0 loglevel=1 panic=-1"])
            .arg("-kernel")
            .arg(self.kernel()?)
            .arg("-initrd")
            .arg(image);
        Ok(machine)
    }

    fn kernel(&self) -> Result<PathBuf> {
        let folder = self.0.join("boot");
        let files = std::fs::read_dir(&folder)
            .with_context(|| format!("{} cannot be read", folder.display()))?;
        let mut files = files.flatten();
        let kernel = files.find(|file| file.file_name().to_string_lossy().starts_with("vmlinuz"));
        let kernel = kernel.with_context(|| format!("there is no kernel in {KERNEL}"))?;
        Ok(kernel.path())
    }

    /// Which of the places a file is at: newer packages have all in `usr`.
    fn existing(&self, places: &[&str; 2]) -> PathBuf {
        let [first, second] = places.map(|place| self.0.join(place));
        if first.exists() { first } else { second }
    }
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}
