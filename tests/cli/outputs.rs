//! Drawn pictures, sheets of the pyramid, and files that must not be lost.

use predicates::prelude::*;

use crate::folder::{Folder, assert_fails, assert_misused, generated};

#[test]
fn boxes_are_drawn_over_the_picture() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    folder.detect("a.png --out drawn.png").assert().success();
    let drawn = folder.decode("drawn.png");
    assert_eq!(drawn.dimensions(), (96, 64));
    assert_ne!(drawn, generated(96, 64));

    // No box passes: the picture is as it came.
    folder
        .detect("a.png --score 1 --out bare.png")
        .assert()
        .success()
        .stdout("nothing found\n");
    assert_eq!(folder.decode("bare.png"), generated(96, 64));
}

#[test]
fn a_drawing_is_in_the_format_that_its_name_says() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    for name in ["o.jpg", "o.webp", "o.gif", "o.bmp", "o.tiff", "o.ppm"] {
        folder
            .detect(&format!("a.png --out {name}"))
            .assert()
            .success();
        let format = image::ImageFormat::from_path(name).expect("a format");
        let found = image::guess_format(&folder.read(name)).expect("a picture");
        assert_eq!(found, format);
        assert_eq!(folder.decode(name).dimensions(), (96, 64), "{name}");
    }
    assert_misused(
        folder.detect("a.png --out o.avif"),
        "--out names o.avif: expected one of png, jpg, webp, gif, bmp, tiff, ppm, or a folder",
    );
}

#[test]
fn a_sheet_shows_every_level_whatever_the_shape_of_the_picture() {
    let folder = Folder::new();
    for (name, width, height) in [("a", 96, 64), ("dot", 1, 1), ("tall", 1, 700)] {
        folder.picture(&format!("{name}.png"), width, height);
        folder
            .detect(&format!(
                "{name}.png --pyramid {name}-sheet.png --out {name}-drawn.png"
            ))
            .assert()
            .success();
        // Two panels side by side, three levels below each other.
        let (sheet_width, sheet_height) = folder.decode(&format!("{name}-sheet.png")).dimensions();
        assert!(sheet_width > 2 * 400 && sheet_height > 3 * 26, "{name}");
        let drawn = folder.decode(&format!("{name}-drawn.png"));
        assert_eq!(drawn.dimensions(), (width, height));
    }
}

#[test]
fn equal_names_from_different_folders_are_kept_apart() {
    let folder = Folder::new();
    folder.picture("x/p.png", 96, 64);
    folder.picture("y/p.jpg", 64, 96);
    folder.picture("z/p-2.png", 48, 48);
    folder
        .detect("x/p.png y/p.jpg z/p-2.png --out new/drawn --pyramid sheets/")
        .assert()
        .success();
    let size = |name: &str| folder.decode(name).dimensions();
    assert_eq!(size("new/drawn/p.png"), (96, 64));
    assert_eq!(size("new/drawn/p-2.png"), (64, 96));
    assert_eq!(size("new/drawn/p-2-2.png"), (48, 48));
    for name in ["p", "p-2", "p-2-2"] {
        assert!(folder.path(&format!("sheets/{name}.png")).is_file());
    }
}

#[test]
fn no_input_and_no_other_output_is_overwritten() {
    let folder = Folder::new();
    folder.picture("f/a.png", 96, 64);
    folder.picture("f/b.jpg", 96, 64);
    folder.picture("b.png", 64, 64);
    let before = folder.read("f/a.png");
    for (arguments, lost) in [
        ("f/a.png --out f/a.png", "f/a.png"),
        ("f/a.png --out f/../f/a.png", "f/../f/a.png"),
        ("f --out f", "f/a.png"),
        // Another input's drawing would take its name.
        ("f/b.jpg b.png --out .", "./b.png"),
        ("f/a.png --pyramid new --out ./new", "new/a.png"),
        ("f/a.png --out o.png --pyramid o.png", "o.png"),
        ("f/a.png --json o.json --coco o.json", "o.json"),
        ("f/a.png --json weights.safetensors", "weights.safetensors"),
    ] {
        let sentence =
            format!("{lost} would be overwritten: it is an input, or another output as well");
        assert_misused(folder.detect(arguments), &sentence);
    }
    assert_eq!(folder.read("f/a.png"), before);
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    folder.picture("a.png", 48, 48);
    folder.write("file", b"");
    std::fs::create_dir(folder.path("taken")).expect("a new folder");
    let before = folder.files();
    for (arguments, sentence) in [
        (
            "--json gone/o.json",
            "gone/o.json cannot be written: its folder does not exist",
        ),
        (
            "--coco gone/o.json",
            "gone/o.json cannot be written: its folder does not exist",
        ),
        (
            "--out gone/o.png",
            "gone/o.png cannot be written: its folder does not exist",
        ),
        (
            "--pyramid gone/o.png",
            "gone/o.png cannot be written: its folder does not exist",
        ),
        ("--json taken", "taken cannot be written: it is a folder"),
    ] {
        assert_fails(folder.detect(&format!("a.png {arguments}")), sentence);
    }
    let sentence = predicate::str::contains("error: folder file cannot be made: ");
    folder
        .detect("a.png --out file")
        .assert()
        .code(1)
        .stderr(sentence);
    assert_eq!(folder.files(), before);
}

/// As root, a rename would replace the device for everyone.
#[test]
#[cfg(unix)]
fn a_device_is_not_replaced_by_a_file() {
    let folder = Folder::new();
    folder.picture("a.png", 48, 48);
    assert_fails(
        folder.detect("a.png --json /dev/null"),
        "/dev/null cannot be written: it is no regular file",
    );
}

#[test]
#[cfg(unix)]
fn a_link_stays_one() {
    let folder = Folder::new();
    folder.picture("a.png", 48, 48);
    folder.write("kept/real.json", b"");
    let link = folder.path("link.json");
    std::os::unix::fs::symlink("kept/real.json", &link).expect("a new link");
    folder.detect("a.png --json link.json").assert().success();
    assert!(link.is_symlink());
    assert_eq!(folder.read("kept/real.json").first(), Some(&b'{'));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_an_error_and_a_closed_one_is_not() {
    use std::fs::File;
    use std::process::Stdio;

    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    let detect = |arguments: &[&str], stdout: Stdio| {
        let mut command = folder.command();
        command.args(["detect", "a.png", "--weights", "weights.safetensors"]);
        command.args(["--device", "cpu"]).args(arguments);
        command.stdout(stdout).output().expect("it can be run")
    };
    for arguments in [&[][..], &["--json", "-"]] {
        let full = File::create("/dev/full").expect("Linux has it");
        let output = detect(arguments, full.into());
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("error: standard output cannot be written: "));

        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = detect(arguments, writer.into());
        assert_eq!(output.status.code(), Some(0));
    }
}
