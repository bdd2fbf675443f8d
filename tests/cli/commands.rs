//! The other commands: convert, models, summary, demo, help.

use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::weights;
use predicates::prelude::*;
use predicates::str::contains;

use crate::files::Parts;
use crate::folder::{Folder, assert_fails, assert_misused};

#[test]
fn what_convert_is_told_stays_with_the_file() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    folder.write("names.txt", b"visage\n");
    let untold = Parts {
        metadata: Default::default(),
        ..Parts::of(&folder.read("weights.safetensors"))
    };
    folder.write("untold.safetensors", &untold.to_bytes());
    let told = "--model retinaface_mobilenet025 --labels names.txt --bn-eps 0.001";
    folder
        .fpn(&format!("convert untold.safetensors o.safetensors {told}"))
        .assert()
        .success()
        .stdout(
            "o.safetensors: retinaface_mobilenet025, 2 classes, batch norm eps 0.001, 1.8 MB\n",
        );

    let parts = Parts::of(&folder.read("o.safetensors"));
    assert_eq!(parts.tensors, untold.tensors);
    assert_eq!(parts.metadata["fpn.model"], "retinaface_mobilenet025");
    assert_eq!(
        parts.metadata["fpn.class_names"],
        r#"["background","visage"]"#
    );
    assert_eq!(parts.metadata["fpn.bn_eps"], "0.001");

    // Told once or told each time, it is the same detector.
    let detect = |arguments: &str| {
        let mut ran = folder.fpn(&format!(
            "detect a.png --device cpu --json - --weights {arguments}"
        ));
        let output = ran.unwrap();
        String::from_utf8(output.stdout).expect("JSON")
    };
    assert_eq!(
        detect("o.safetensors"),
        detect(&format!("untold.safetensors {told}"))
    );
}

/// Whatever the layout of a file, what is written has the older of torchvision's.
#[test]
fn convert_writes_the_keys_of_the_model() {
    let folder = Folder::new();
    let weights = weights::builtin(PYRAMID_TINY).expect("it has weights of its own");
    let weights = weights.to_safetensors(false).expect("they can be written");
    let older = Parts::of(&weights);
    let mut newer = Parts::of(&weights);
    for (older, newer_key) in [
        ("rpn.head.conv.bias", "rpn.head.conv.0.0.bias"),
        (
            "backbone.fpn.layer_blocks.1.weight",
            "backbone.fpn.layer_blocks.1.0.weight",
        ),
    ] {
        let tensor = newer.tensors.remove(older).expect("a convolution");
        newer.tensors.insert(newer_key.to_owned(), tensor);
    }
    folder.write("newer.safetensors", &newer.to_bytes());
    let mut convert = folder.fpn("convert newer.safetensors o.safetensors");
    convert.assert().success();
    let written = Parts::of(&folder.read("o.safetensors"));
    assert_eq!(written.tensors, older.tensors);
}

#[test]
fn convert_says_why_it_cannot() {
    let folder = Folder::new();
    assert_misused(
        folder.fpn("convert weights.safetensors o.pth"),
        "o.pth must end in .safetensors",
    );
    assert_misused(
        folder.fpn("convert weights.safetensors ./weights.safetensors --f16"),
        "./weights.safetensors would be overwritten",
    );
    let mut parts = Parts::of(&folder.read("weights.safetensors"));
    let head = parts.tensors.get_mut("ClassHead.0.conv1x1.weight");
    head.expect("a head").1[7] = 70_000.0;
    folder.write("large.safetensors", &parts.to_bytes());
    let before = folder.files();
    assert_fails(
        folder.fpn("convert large.safetensors o.safetensors --f16"),
        "large.safetensors holds 70000 in tensor 'ClassHead.0.conv1x1.weight', \
         which is too large for f16 (at most 65504)",
    );
    assert_fails(
        folder.fpn("convert weights.safetensors gone/o.safetensors"),
        "gone/o.safetensors cannot be written: its folder does not exist",
    );
    assert_eq!(folder.files(), before);
}

#[test]
fn models_are_listed_with_their_sizes() {
    let folder = Folder::new();
    let listed = folder.fpn("models").assert().success();
    let listed = String::from_utf8_lossy(&listed.get_output().stdout);
    for (name, parameters) in [
        ("fasterrcnn_resnet18_fpn", "28.74 M"),
        ("fasterrcnn_resnet34_fpn", "38.85 M"),
        ("fasterrcnn_resnet50_fpn", "41.81 M"),
        ("fasterrcnn_resnet101_fpn", "60.80 M"),
        ("fasterrcnn_resnet152_fpn", "76.44 M"),
        ("retinaface_mobilenet025", "0.43 M"),
        ("nanodet_plus_m_416", "1.20 M"),
        ("nanodet_m_320", "0.95 M"),
    ] {
        let mut rows = listed.lines().map(|line| line.split_whitespace());
        let row = rows.find(|row| row.clone().next() == Some(name));
        let row: Vec<&str> = row.unwrap_or_else(|| panic!("{name} is listed")).collect();
        assert_eq!(row[1..3].join(" "), parameters, "{name}");
    }
}

#[test]
fn a_summary_counts_parameters_as_torchvision_does() {
    let folder = Folder::new();
    // torchvision's frozen batch norms have buffers: it counts 41,755,286 without them.
    assert_eq!(41_808_406 - 53_120, 41_755_286);
    folder
        .fpn("summary --model fasterrcnn_resnet50_fpn")
        .assert()
        .success()
        .stdout(
            contains("Parameters: 41,808,406 (of them batch norms' scales and shifts: 53,120)")
                .and(contains("Input: 1088 × 800, for a picture of 640 × 480"))
                .and(contains("backbone.body.layer4.2.conv3"))
                .and(contains("roi_heads.box_predictor.cls_score")),
        );
    for (arguments, sentence) in [
        ("--model yolo", "invalid value 'yolo' for '--model <NAME>'"),
        (
            "--model retinaface_mobilenet025 --size 0x480",
            "invalid value '0x480' for '--size <SIZE>': \
             expected WIDTHxHEIGHT or one number, each 1 to 16384",
        ),
        (
            "--model retinaface_mobilenet025 --classes 3",
            "--classes is 3: expected 2",
        ),
        (
            "--model fasterrcnn_resnet50_fpn --classes 1",
            "--classes is 1: expected 2 to 10000",
        ),
    ] {
        assert_misused(folder.fpn(&format!("summary {arguments}")), sentence);
    }
}

/// The tutorial's own listing of its network.
#[test]
fn modules_are_listed_as_torchsummary_does() {
    let folder = Folder::new();
    let printed = folder
        .fpn("summary --model fpn_resnet50 --size 224 --table modules")
        .assert()
        .success();
    let printed = String::from_utf8_lossy(&printed.get_output().stdout).into_owned();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = printed.lines().map(words).collect();
    let rows: Vec<&String> = lines.iter().filter(|line| line.contains("[-1, ")).collect();
    assert_eq!(rows.len(), 179);
    for (number, row) in [
        (1, "Conv2d-1 [-1, 64, 112, 112] 9,408"),
        (2, "BatchNorm2d-2 [-1, 64, 112, 112] 128"),
        (3, "ReLU-3 [-1, 64, 112, 112] 0"),
        (4, "MaxPool2d-4 [-1, 64, 56, 56] 0"),
        (13, "Conv2d-13 [-1, 256, 56, 56] 16,384"),
        (15, "ReLU-15 [-1, 256, 56, 56] 0"),
        (16, "Bottleneck-16 [-1, 256, 56, 56] 0"),
        (172, "Bottleneck-172 [-1, 2048, 7, 7] 0"),
        (173, "Conv2d-173 [-1, 256, 7, 7] 524,544"),
        (174, "Conv2d-174 [-1, 256, 14, 14] 262,400"),
        (176, "Conv2d-176 [-1, 256, 56, 56] 65,792"),
        (177, "Conv2d-177 [-1, 256, 14, 14] 590,080"),
        (179, "Conv2d-179 [-1, 256, 56, 56] 590,080"),
    ] {
        assert_eq!(rows[number - 1], row);
    }
    let totals = [
        "Total params: 26,262,336",
        "Trainable params: 26,262,336",
        "Non-trainable params: 0",
        "Input size (MB): 0.57",
        "Forward/backward pass size (MB): 302.71",
        "Params size (MB): 100.18",
        "Estimated Total Size (MB): 403.47",
    ];
    assert_eq!(lines[lines.len() - totals.len()..], totals);
    // A bias is its layer's, and so are blocks of other kinds.
    folder
        .fpn("summary --model fasterrcnn_resnet18_fpn --size 64 --table modules")
        .assert()
        .success()
        .stdout(contains("12,846,080").and(contains("BasicBlock-11")));
}

#[test]
fn the_demo_draws_the_same_pictures_every_time() {
    let folder = Folder::new();
    folder
        .fpn("demo --device cpu")
        .assert()
        .success()
        .stdout(contains("fpn-demo.png").and(contains("fpn-demo-pyramid.png")))
        // Small shapes on fine levels, large ones on coarse.
        .stdout(contains(" P2 ").and(contains(" P5 ")));
    folder
        .fpn("demo --out again.png --pyramid sheet.png --seed 0 --device cpu")
        .assert()
        .success();
    assert_eq!(folder.read("fpn-demo.png"), folder.read("again.png"));
    assert_eq!(
        folder.read("fpn-demo-pyramid.png"),
        folder.read("sheet.png")
    );
    assert_eq!(folder.decode("again.png").dimensions(), (640, 480));
    // Two panels side by side, five levels below each other.
    let (width, height) = folder.decode("sheet.png").dimensions();
    assert!(width > 800 && height > 5 * 300, "{width}×{height}");
    assert_fails(
        folder.fpn("demo --out gone/o.png"),
        "gone/o.png cannot be written: its folder does not exist",
    );
}

#[test]
fn help_has_examples() {
    let folder = Folder::new();
    let commands = [
        "detect", "convert", "models", "summary", "train", "eval", "demo",
    ];
    let mut overview = folder.fpn("--help").assert().success();
    for command in commands {
        overview = overview.stdout(contains(format!("\n  {command} ")));
    }
    for command in ["detect", "convert", "summary", "train", "eval"] {
        let example = format!("Examples:\n  fpn {command} ");
        folder
            .fpn(&format!("{command} --help"))
            .assert()
            .success()
            .stdout(contains(example));
    }
    // Nothing asked for is misuse, and answered with the overview.
    folder
        .fpn("")
        .assert()
        .code(2)
        .stderr(contains("Usage: fpn <COMMAND>"));
}
