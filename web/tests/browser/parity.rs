//! What the page finds is what the library finds on the same driver.

use std::collections::BTreeMap;

use crate::support::chromium::Chromium;
use crate::support::native;
use crate::support::report::{Found, Report};

/// Pixels and score that may differ.
const PIXELS: f32 = 0.1;
const SCORE: f32 = 1e-3;

#[test]
fn the_published_face_detector_finds_the_astronaut() {
    let (Some(weights), Some(photo)) = (
        native::face_weights(),
        native::shared("photos/astronaut.png"),
    ) else {
        return;
    };
    let published = native::shared("weights/retinaface_mobilenet025.pth");
    let published = published.expect("it was converted");
    let expected = native::page(&[
        "--model=retinaface_mobilenet025",
        &format!("--weights={}", published.display()),
        &format!("--image={}", photo.display()),
    ]);
    let expected = &expected.report.images[0].detections;
    assert_eq!(expected.len(), 1);
    let chromium = Chromium::new(BTreeMap::from([
        ("face.safetensors".to_owned(), weights),
        (
            "face.pth".to_owned(),
            std::fs::read(&published).expect("a file"),
        ),
        (
            "astronaut.png".to_owned(),
            std::fs::read(photo).expect("a file"),
        ),
    ]));
    // The file says which model it is for.
    let report = detect(&chromium, "weights=face.safetensors&image=astronaut.png");
    chromium.keep_screenshot("astronaut");
    assert_eq!(report.model, "retinaface_mobilenet025");
    let [picture] = &report.images[..] else {
        panic!("{} pictures", report.images.len())
    };
    assert_eq!(picture.file, "astronaut.png");
    assert_eq!([picture.width, picture.height], [512, 512]);
    assert_same(&picture.detections, expected);

    // PyTorch's own file does not.
    let model = "model=retinaface_mobilenet025";
    let report = detect(
        &chromium,
        &format!("weights=face.pth&{model}&image=astronaut.png"),
    );
    assert_same(&report.images[0].detections, expected);
}

#[test]
fn a_seeded_two_stage_detector_finds_the_same() {
    let model = "fasterrcnn_resnet18_fpn";
    let expected = native::page(&[
        &format!("--model={model}"),
        "--seed=1",
        "--min-size=96",
        "--proposals=100",
    ]);
    let expected = &expected.report.images[0].detections;
    assert!(!expected.is_empty());
    let chromium = Chromium::new(BTreeMap::new());
    let query = format!("model={model}&seed=1&minSize=96&proposals=100");
    let report = detect(&chromium, &query);
    chromium.keep_screenshot("seeded");
    assert_same(&report.images[0].detections, expected);
}

/// Longest part of the time since the page was opened that one task may hold it up: loading, compiling and
/// detecting are sliced, and none of them on its own takes this little. How long tasks are on an idle machine
/// is measured by `cargo xtask web-bench`.
const LONGEST_TASK: f64 = 0.1;

/// Open the page, which is to work without a complaint, and without holding itself up.
fn detect(chromium: &Chromium, query: &str) -> Report {
    let state = chromium.open(query);
    assert_eq!(state, "ready", "{}", chromium.message());
    assert_eq!(chromium.console(), Vec::<String>::new());
    let (longest, all) = (chromium.longest_task(), chromium.age());
    println!("longest task: {longest} of {all} ms");
    assert!(longest <= LONGEST_TASK * all, "{longest} of {all} ms");
    println!("timings: {}", chromium.json::<serde_json::Value>("timings"));
    let report: Report = chromium.json("detections");
    assert_ne!(report.device, "");
    println!("on {}", report.device);
    report
}

/// One to one, within what two drivers of one kind may differ by.
pub fn assert_same(found: &[Found], expected: &[Found]) {
    assert_eq!(found.len(), expected.len());
    let mut free: Vec<&Found> = found.iter().collect();
    for expected in expected {
        let partner = free.iter().position(|found| is_same(found, expected));
        let partner = partner.unwrap_or_else(|| panic!("{expected:?} is missing in {free:?}"));
        free.swap_remove(partner);
    }
}

fn is_same(found: &Found, expected: &Found) -> bool {
    let landmarks = |points: &Option<Vec<[f32; 2]>>| points.clone().unwrap_or_default().concat();
    let (ours, theirs) = (landmarks(&found.landmarks), landmarks(&expected.landmarks));
    let sides = found.bbox.iter().zip(&expected.bbox);
    let mut places = sides.chain(ours.iter().zip(&theirs));
    found.label == expected.label
        && found.name == expected.name
        && found.level == expected.level
        && ours.len() == theirs.len()
        && places.all(|(a, b)| (a - b).abs() <= PIXELS)
        && (found.score - expected.score).abs() <= SCORE
}
