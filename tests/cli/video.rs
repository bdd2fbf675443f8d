//! Videos, from files and from a pipe: what is written of them, and what ends them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fpn_wgpu::video::Video;
use image::{DynamicImage, RgbImage};
use predicates::prelude::*;
use predicates::str::{contains, ends_with, starts_with};
use serde_json::Value;

use crate::folder::{Folder, assert_fails, assert_misused, generated};
use crate::videos::{Avi, golden, jpeg, y4m};

/// Pictures in which the seeded weights find something, as grey as y4m's mono.
fn grey(width: u32, height: u32) -> Vec<u8> {
    DynamicImage::from(generated(width, height))
        .to_luma8()
        .into_raw()
}

/// A y4m video of so many pictures of 96 by 64 pixels, 10 a second.
fn video(pictures: usize) -> Vec<u8> {
    y4m("W96 H64 F10:1 Cmono", &vec![grey(96, 64); pictures])
}

fn lines(json: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(json).expect("text");
    let lines = text.lines().map(serde_json::from_str);
    lines
        .collect::<Result<_, _>>()
        .expect("a JSON value on each line")
}

fn keys(value: &Value) -> Vec<&str> {
    let map = value.as_object().expect("an object");
    map.keys().map(String::as_str).collect()
}

#[test]
fn json_has_a_line_about_the_video_and_one_for_each_frame() {
    let folder = Folder::new();
    let jpegs = [(96, 64), (64, 96)].map(|(width, height)| jpeg(&generated(width, height)));
    for (index, jpeg) in jpegs.iter().enumerate() {
        folder.write(&format!("{index}.jpg"), jpeg);
    }
    folder.write("clip.avi", &Avi::new([96, 64], jpegs.to_vec()).to_bytes());
    let ran = folder.detect("clip.avi --json -").assert().success();
    let lines = lines(&ran.get_output().stdout);
    let [about, frames @ ..] = lines.as_slice() else {
        panic!("there is no line");
    };
    assert_eq!(keys(about), ["device", "file", "model", "rate"]);
    assert_eq!(about["model"], "retinaface_mobilenet025");
    assert_eq!(about["device"], "cpu");
    assert_eq!(about["file"], "clip.avi");
    assert_eq!(about["rate"], 10.0);
    assert_eq!(frames.len(), 2);
    for (index, frame) in frames.iter().enumerate() {
        assert_eq!(
            keys(frame),
            ["detections", "frame", "height", "time", "width"]
        );
        assert_eq!(frame["frame"], index);
        assert_eq!(frame["time"], 0.1 * index as f64);
        let found = folder.report(&format!("{index}.jpg"));
        let picture = &found["images"][0];
        assert_eq!(frame["width"], picture["width"]);
        assert_eq!(frame["detections"], picture["detections"]);
    }

    // A file holds what standard output would, and there is a summary instead.
    folder
        .detect("clip.avi --json found.jsonl")
        .assert()
        .success()
        .stdout(starts_with("clip.avi: 2 frames, ").and(contains(" frames/s, best: face 0.")));
    assert_eq!(folder.read("found.jsonl"), ran.get_output().stdout);
}

#[test]
fn an_mp4_is_looked_at_in_the_order_it_is_shown() {
    let folder = Folder::new();
    fs::copy(golden("clip.mp4"), folder.path("clip")).expect("it can be copied");
    let ran = folder
        .fpn("detect clip --device cpu --json -")
        .assert()
        .success();
    let lines = lines(&ran.get_output().stdout);
    assert_eq!(lines.len(), 21);
    for (index, frame) in lines[1..].iter().enumerate() {
        assert_eq!(frame["time"], (index as f64 * 40_000.0).round() / 1e6);
        assert_eq!([&frame["width"], &frame["height"]], [160, 120]);
    }
    let found: usize = lines[1..]
        .iter()
        .map(|frame| frame["detections"].as_array().map_or(0, Vec::len))
        .sum();
    assert!(found > 20, "only {found} shapes are found");
}

#[test]
fn a_stream_is_read_from_standard_input() {
    let folder = Folder::new();
    folder.write("clip.y4m", &video(3));
    let file = folder.detect("clip.y4m --json -").assert().success();
    let piped = folder
        .detect("- --json -")
        .write_stdin(video(3))
        .assert()
        .success();
    let (file, piped) = (
        lines(&file.get_output().stdout),
        lines(&piped.get_output().stdout),
    );
    assert_eq!(piped[0]["file"], "standard input");
    assert_eq!(file[1..], piped[1..]);
    assert_eq!(piped.len(), 4);

    let mut garbage = folder.detect("-");
    garbage.write_stdin("garbage\n");
    assert_fails(
        garbage,
        "standard input is no y4m video: expected one, as ffmpeg writes with -f yuv4mpegpipe",
    );
}

#[test]
fn boxes_are_drawn_over_every_frame() {
    let folder = Folder::new();
    folder.write("clip.y4m", &video(3));
    folder
        .detect("clip.y4m --out found.y4m")
        .assert()
        .success()
        .stdout(starts_with("clip.y4m: 3 frames, "));
    let drawn = Video::open(&folder.path("found.y4m")).expect("a video");
    assert_eq!(drawn.rate.per_second(), 10.0);
    let frames: Vec<_> = drawn.map(|frame| frame.expect("a frame").picture).collect();
    assert_eq!(frames.len(), 3);
    let is_coloured =
        |frame: &RgbImage| frame.pixels().any(|pixel| pixel[0].abs_diff(pixel[2]) > 50);
    assert!(
        frames
            .iter()
            .all(|frame| is_coloured(&DynamicImage::from(frame.clone()).to_rgb8()))
    );

    // The same through pipes.
    let piped = folder
        .detect("- --out -")
        .write_stdin(video(3))
        .assert()
        .success();
    assert_eq!(piped.get_output().stdout, folder.read("found.y4m"));
}

#[test]
fn what_videos_do_not_have_is_refused() {
    let folder = Folder::new();
    folder.write("clip.y4m", &video(1));
    folder.picture("a.png", 96, 64);
    let before = folder.files();
    for (arguments, sentence) in [
        (
            "clip.y4m --coco o.json",
            "--coco is for pictures, and clip.y4m is a video",
        ),
        (
            "clip.y4m --pyramid o/",
            "--pyramid is for pictures, and clip.y4m is a video",
        ),
        (
            "clip.y4m --out o.mp4",
            "--out names o.mp4, and clip.y4m is a video: expected a file that ends in .y4m, or - for standard output",
        ),
        (
            "clip.y4m --out - --json -",
            "--json and --out would both go to standard output",
        ),
        (
            "clip.y4m a.png",
            "clip.y4m is a video: expected it alone, not among other inputs",
        ),
        (
            "a.png - --json -",
            "- is a video: expected it alone, not among other inputs",
        ),
        (
            "clip.y4m --out clip.y4m",
            "clip.y4m would be overwritten: it is an input, or another output as well",
        ),
        (
            "clip.y4m --out o.y4m --json o.y4m",
            "o.y4m would be overwritten: it is an input, or another output as well",
        ),
    ] {
        assert_misused(folder.detect(arguments), sentence);
    }
    assert_eq!(folder.files(), before);
}

#[test]
fn what_is_cut_short_keeps_what_came_before() {
    let folder = Folder::new();
    let whole = video(3);
    folder.write("cut.y4m", &whole[..whole.len() - 100]);
    folder
        .detect("cut.y4m --json o.jsonl --out o.y4m")
        .assert()
        .code(1)
        .stdout(starts_with("cut.y4m: 2 frames, "))
        .stderr(ends_with("error: cut.y4m is cut short, after 2 frames\n"));
    assert_eq!(lines(&folder.read("o.jsonl")).len(), 3);
    assert_eq!(
        Video::open(&folder.path("o.y4m")).expect("a video").count(),
        2
    );
}

#[test]
fn where_there_is_no_frame_nothing_is_written() {
    let folder = Folder::new();
    folder.write("empty.y4m", &video(0));
    let clip = fs::read(golden("clip.mp4")).expect("it is there");
    let mut hevc = clip.clone();
    let place = |name: &[u8]| clip.windows(4).position(|bytes| bytes == name);
    let described = place(b"stsd").expect("a description");
    let at = described + 16;
    assert_eq!(&hevc[at..at + 4], b"avc1");
    hevc[at..at + 4].copy_from_slice(b"hev1");
    folder.write("hevc.mp4", &hevc);
    folder.write("cut.mp4", &clip[..36]);
    let before = folder.files();
    for (name, sentence) in [
        ("empty.y4m", "empty.y4m has no pictures in it"),
        (
            "hevc.mp4",
            "hevc.mp4 has the codec hev1 (H.265): expected avc1 (H.264)",
        ),
        (
            "cut.mp4",
            "cut.mp4 has no index (moov): it was cut short, or is being written still",
        ),
    ] {
        assert_fails(
            folder.detect(&format!("{name} --json o.jsonl --out o.y4m")),
            sentence,
        );
        assert_eq!(folder.files(), before);
    }
}

#[test]
fn frames_of_another_size_do_not_fit_a_y4m_video() {
    let folder = Folder::new();
    let jpegs = [(96, 64), (64, 96)].map(|(width, height)| jpeg(&generated(width, height)));
    folder.write("clip.avi", &Avi::new([96, 64], jpegs.to_vec()).to_bytes());
    folder
        .detect("clip.avi --out o.y4m")
        .assert()
        .code(1)
        .stderr(ends_with(
            "error: clip.avi, frame 1: it has 64×96 pixels, and those before 96×64: a y4m video has one size\n",
        ));
    assert_eq!(
        Video::open(&folder.path("o.y4m")).expect("a video").count(),
        1
    );
}

/// `fpn detect -` with these arguments, fed with pictures until it no longer reads.
fn endless(folder: &Folder, arguments: &str) -> Child {
    let mut command = folder.command();
    command.args("detect - --weights weights.safetensors --device cpu".split(' '));
    command.args(arguments.split(' '));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it can be started");
    let mut stdin = child.stdin.take().expect("a pipe");
    thread::spawn(move || {
        let first = video(1);
        let next = &first[first
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line")
            + 1..];
        let mut written = stdin.write_all(&first);
        while written.is_ok() {
            written = stdin.write_all(next);
        }
    });
    child
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_an_endless_stream_and_keeps_what_was_done() {
    let folder = Folder::new();
    let mut child = endless(&folder, "--json - --out found.y4m");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut seen = String::new();
    // Lines come as they are made.
    for _ in 0..4 {
        stdout.read_line(&mut seen).expect("a line");
    }
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("there is a kill").success());
    stdout.read_to_string(&mut seen).expect("text");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let frames = lines(seen.as_bytes()).len() - 1;
    assert!(frames >= 3);
    let told = String::from_utf8(output.stderr).expect("text");
    assert!(
        told.ends_with(&format!("stopped after {frames} frames\n")),
        "{told}"
    );
    let drawn = Video::open(&folder.path("found.y4m")).expect("a video");
    let drawn: Result<Vec<_>, _> = drawn.collect();
    assert_eq!(drawn.expect("it is whole").len(), frames);
    assert_eq!(folder.files().len(), 2, "no temporary file is left");
}

#[cfg(unix)]
#[test]
fn ctrl_c_is_noticed_while_no_picture_comes() {
    let folder = Folder::new();
    let mut command = folder.command();
    command.args("detect - --weights weights.safetensors --device cpu --json o.jsonl".split(' '));
    command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("it can be started");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&video(1)).expect("it reads");
    // The line that says what it is comes before the first frame.
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut told = String::new();
    stderr.read_line(&mut told).expect("a line");
    thread::sleep(Duration::from_millis(500));
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("there is a kill").success());
    let begun = Instant::now();
    stderr.read_to_string(&mut told).expect("text");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(told.ends_with("stopped after 1 frame\n"), "{told}");
    assert_eq!(lines(&folder.read("o.jsonl")).len(), 2);
    drop(stdin);
}

#[test]
fn a_closed_output_ends_it_quietly() {
    let folder = Folder::new();
    let mut child = endless(&folder, "--json -");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut String::new()).expect("a line");
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stderr).expect("text");
    assert!(!told.contains("error"), "{told}");
}
