//! `--weights NAME`, from a server of the test's own that stands for the publishers'.

use std::fs;
use std::sync::LazyLock;

use assert_cmd::Command;
use fpn_wgpu::weights::official;
use predicates::prelude::*;
use predicates::str::contains;

use crate::files::retinaface;
use crate::folder::{Folder, assert_fails, assert_misused};
use crate::server::{Reply, Server};

/// Whose hash is published, so that nothing a test makes is it.
const TORCHVISION: &str = "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth";
/// Whose hash is not.
const RETINAFACE: &str = "Retinaface_mobilenet0.25.pth";

/// What servers have, for every name. Its metadata have an order of their own each time it is made.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(retinaface);

/// With a picture to look at.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.picture("a.png", 80, 64);
    folder
}

/// `fpn` that takes this server for all publishers'.
fn fpn(folder: &Folder, url: &str, arguments: &str) -> Command {
    let mut command = folder.fpn(arguments);
    command
        .env("FPN_WEIGHTS_URL", url)
        .env("FPN_WEIGHTS_DIR", folder.path("kept"));
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command
}

const COCO: &str = "detect a.png --device cpu --model fasterrcnn_resnet50_fpn --weights coco";

/// What is said where torchvision's file cannot be fetched from there.
fn by_hand(folder: &Folder, url: &str, reason: &str) -> String {
    format!(
        "{TORCHVISION} cannot be fetched: {reason}; fetch it yourself from {url}/models/{TORCHVISION} and put it into {}",
        folder.path("kept").display()
    )
}

#[test]
fn weights_are_fetched_once_and_used() {
    let server = Server::new(|_, request| Reply::part(request, "\"a\"", &FILE));
    let folder = folder();
    let faces = "detect a.png --device cpu --weights widerface --json -";
    let fetching = contains("fetching ").and(contains("MIT, © 2020 Bubbliiiing"));
    let fetched = fpn(&folder, &server.url, faces)
        .assert()
        .success()
        .stderr(fetching);
    let found = fetched.get_output().stdout.clone();
    assert!(!folder.detections("a.png").is_empty());
    assert!(
        server.asked()[0]
            .path
            .ends_with(&format!("/model_data/{RETINAFACE}"))
    );
    assert!(folder.read(&format!("kept/{RETINAFACE}")) == *FILE);

    // Once only; and then no network is needed.
    let offline = format!("{faces} --offline");
    let again = fpn(&folder, "http://127.0.0.1:9", &offline)
        .assert()
        .success();
    again.stdout(found).stderr(contains("fetching").not());
    assert_eq!(server.asked().len(), 1);

    let line = |here: &str| {
        predicate::str::is_match(format!(
            "retinaface_mobilenet025.*{RETINAFACE}.*MIT.*{here}"
        ))
        .expect("the pattern is sound")
    };
    let list = || {
        fpn(&folder, &server.url, "models --weights")
            .assert()
            .success()
    };
    list()
        .stdout(line("yes"))
        .stdout(contains("--weights coco without --model: "))
        .stdout(contains(TORCHVISION).and(contains("BSD-3-Clause")));
    fs::remove_file(folder.path(&format!("kept/{RETINAFACE}"))).expect("it is there");
    list().stdout(line("no"));
}

/// Every command that takes weights takes names.
#[test]
fn all_commands_fetch() {
    let server = Server::new(|_, request| Reply::part(request, "\"a\"", &FILE));
    for arguments in [
        "pyramid a.png --device cpu --weights widerface --out levels",
        "convert widerface face.safetensors",
        "bench --model retinaface_mobilenet025 --weights widerface --size 32x32 --device cpu --iterations 1",
    ] {
        let folder = folder();
        fpn(&folder, &server.url, arguments).assert().success();
        assert!(folder.read(&format!("kept/{RETINAFACE}")) == *FILE);
    }
    let folder = folder();
    let init = "train --data scenes:1:8 --steps 1 --out run --model fasterrcnn_resnet50_fpn --init coco --offline";
    let sentence = by_hand(&folder, &server.url, "--offline forbids it");
    assert_fails(fpn(&folder, &server.url, init), &sentence);
    let eval = "eval --data scenes:1:1 --model fasterrcnn_resnet50_fpn --weights coco --offline";
    assert_fails(fpn(&folder, &server.url, eval), &sentence);
}

#[test]
fn what_cannot_be_fetched_is_told_with_what_to_do() {
    let folder = folder();
    let fails = |url: &str, reason: &str| {
        assert_fails(fpn(&folder, url, COCO), &by_hand(&folder, url, reason));
    };
    let without = Server::new(|_, _| Reply::new("404 Not Found", "", b""));
    fails(&without.url, "the server answers 404 Not Found");
    let around =
        Server::new(|_, _| Reply::new("301 Moved Permanently", "Location: /models/x\r\n", b""));
    fails(&around.url, "it is redirected too often");
    assert!(
        fs::read_dir(folder.path("kept"))
            .expect("a folder")
            .all(|entry| {
                let name = entry.expect("a file").file_name();
                name.into_string().is_ok_and(|name| name.ends_with(".lock"))
            })
    );

    // Nobody at all.
    let nobody = fpn(&folder, "http://127.0.0.1:9", COCO).assert().code(1);
    nobody.stderr(contains("refused").and(contains(
        "fetch it yourself from http://127.0.0.1:9/models/",
    )));

    // A file where the folder would be.
    folder.write("file", b"");
    let mut command = fpn(&folder, &without.url, COCO);
    command.env("FPN_WEIGHTS_DIR", folder.path("file").join("kept"));
    let unwritable = command.assert().code(1);
    unwritable.stderr(contains("kept cannot be made: ").and(contains("put it into ")));
    assert_eq!(without.asked().len(), 1);
}

#[test]
fn another_file_is_never_used() {
    let server = Server::new(|_, request| Reply::part(request, "\"a\"", &FILE));
    let folder = folder();
    let sha256 = official::sha256(&**FILE).expect("memory can be read");
    let aside = format!("kept/{TORCHVISION}.wrong-{}", &sha256[..8]);
    let reason = format!(
        "what came is another file: its SHA-256 begins with {}, expected 258fb6c6; it is kept as {}",
        &sha256[..8],
        folder.path(&aside).display()
    );
    assert_fails(
        fpn(&folder, &server.url, COCO),
        &by_hand(&folder, &server.url, &reason),
    );
    assert!(folder.read(&aside) == *FILE);

    // Nor one that was put there.
    folder.write(&format!("kept/{TORCHVISION}"), &FILE);
    let offline = fpn(&folder, &server.url, &format!("{COCO} --offline"))
        .assert()
        .code(1);
    offline.stderr(
        contains("is not as published: its SHA-256 begins with")
            .and(contains("--offline forbids it")),
    );
    assert!(!folder.path(&format!("kept/{TORCHVISION}")).exists());
}

#[test]
fn a_broken_download_goes_on_in_the_next_run() {
    let server = Server::new(|number, request| {
        let reply = Reply::part(request, "\"a\"", &FILE);
        match number {
            0 => reply.without(1000),
            1 => Reply::new("503 Service Unavailable", "", b""),
            _ => reply,
        }
    });
    let folder = folder();
    let faces = "detect a.png --device cpu --weights widerface";
    fpn(&folder, &server.url, faces)
        .assert()
        .code(1)
        .stderr(contains("503"));
    assert_eq!(
        folder.read(&format!("kept/{RETINAFACE}.part")).len(),
        FILE.len() - 1000
    );
    fpn(&folder, &server.url, faces).assert().success();
    assert_eq!(server.asked()[2].start(), Some(FILE.len() - 1000));
    assert!(folder.read(&format!("kept/{RETINAFACE}")) == *FILE);
}

#[test]
fn a_proxy_is_asked_unless_it_is_not_to_be() {
    let proxy = Server::new(|_, _| Reply::new("403 Forbidden", "", b""));
    let folder = folder();
    let mut command = fpn(&folder, "http://weights.invalid", COCO);
    command.env("HTTPS_PROXY", &proxy.url);
    command
        .assert()
        .code(1)
        .stderr(contains("cannot be fetched"));
    assert_eq!(proxy.asked()[0].path, "weights.invalid:80");
    let mut command = fpn(&folder, "http://127.0.0.1:9", COCO);
    command
        .env("HTTPS_PROXY", &proxy.url)
        .env("NO_PROXY", "127.0.0.1");
    command.assert().code(1).stderr(contains("refused"));
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn a_name_is_told_from_a_file() {
    let server = Server::new(|_, _| Reply::new("404 Not Found", "", b""));
    let folder = folder();
    let fpn = |arguments: &str| {
        fpn(
            &folder,
            &server.url,
            &format!("detect a.png --device cpu {arguments}"),
        )
    };
    assert_misused(
        fpn("--weights cocoa"),
        "--weights cocoa: there is no such file, and no weights of this name: expected one of coco, ",
    );
    assert_misused(
        fpn("--weights coco --model retinaface_mobilenet025"),
        "--weights coco: there is no such file, and no weights of this name: expected of retinaface_mobilenet025 one \
         of widerface",
    );
    assert_misused(
        fpn("--weights coco --model pyramid_tiny"),
        "--weights coco: there is no such file, and no weights of this name: expected a file, since none are published \
         for pyramid_tiny",
    );
    for path in ["./coco", "coco.pth"] {
        let said = fpn(&format!("--weights {path}")).assert().code(1);
        said.stderr(contains(format!("{path} cannot be read: ")));
    }
    folder.write("coco", &FILE);
    let file = fpn("--weights coco").assert().success();
    file.stderr(contains(
        "--weights coco is the file of this name in the current folder",
    ));
    assert_eq!(server.asked().len(), 0);
}
