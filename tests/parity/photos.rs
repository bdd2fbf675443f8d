//! The published RetinaFace checkpoint on photographs; expected is what its PyTorch model finds.

use std::sync::Arc;

use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::weights::Checkpoint;
use fpn_wgpu::{Detection, Detector};

use crate::matching::largest_difference;
use crate::support::shared;

/// Pixels by which a coordinate may be off.
const PIXELS: f32 = 0.01;

/// What the published model finds in a shared photograph, on the CPU or on a GPU; `None` where it or
/// the checkpoint is missing.
pub fn faces(photo: &str, gpu: Option<Arc<Gpu>>, precision: Precision) -> Option<Vec<Detection>> {
    let photo = shared(photo)?;
    let checkpoint = shared("weights/retinaface_mobilenet025.pth")?;
    let checkpoint = Checkpoint::open(&checkpoint).expect("a PyTorch file");
    let builder = Detector::builder(checkpoint)
        .architecture(MOBILENET025)
        .precision(precision);
    let detector = builder.gpu(gpu).build().expect("the checkpoint fits");
    let photo = image::open(photo).expect("a picture");
    let detections = detector.detect(&photo).expect("the picture suits");
    Some(detections.items)
}

mod cpu {
    #[test]
    fn the_astronaut_has_one_face() {
        super::check_astronaut(None);
    }

    #[test]
    fn a_cat_and_a_cup_have_none() {
        super::check_others(None);
    }
}

mod gpu {
    use crate::adapter::gpu;

    #[test]
    fn the_astronaut_has_one_face() {
        super::check_astronaut(Some(gpu()));
    }

    #[test]
    fn a_cat_and_a_cup_have_none() {
        super::check_others(Some(gpu()));
    }
}

fn check_astronaut(gpu: Option<Arc<Gpu>>) {
    let Some(faces) = faces("photos/astronaut.png", gpu, Precision::default()) else {
        return;
    };
    let [face] = faces.as_slice() else {
        panic!("{} faces", faces.len())
    };
    println!("{face:?}");
    assert!((face.score - 0.999_687_1).abs() < 1e-5, "{face:?}");
    let bbox = [176.364_01, 56.272_1, 273.384_46, 178.517_55];
    assert!(largest_difference(&face.bbox, &bbox) < PIXELS, "{face:?}");
    assert_eq!(face.level, 4);
    assert_eq!(face.name, "face");
    let points = face.landmarks.as_ref().expect("a face has landmarks");
    let expected = [
        [203.3778, 100.1321],
        [246.9046, 101.8573],
        [224.6855, 129.0388],
        [202.4103, 138.4921],
        [246.6064, 139.7361],
    ];
    let difference = largest_difference(points.as_flattened(), expected.as_flattened());
    assert!(difference < PIXELS, "{points:?}");
}

fn check_others(gpu: Option<Arc<Gpu>>) {
    for photo in ["photos/chelsea.png", "photos/coffee.png"] {
        if let Some(faces) = faces(photo, gpu.clone(), Precision::default()) {
            assert_eq!(faces, [], "{photo}");
        }
    }
}
