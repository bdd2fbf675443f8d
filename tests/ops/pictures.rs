//! Preparing pictures, against torchvision's `GeneralizedRCNNTransform`, Pillow, OpenCV, and NanoDet's warp in f64.

use burn::tensor::Device;
use fpn_wgpu::transform::{ResizeBounds, Resizer, Transform};
use fpn_wgpu::weights;

use crate::golden;
use crate::support::{TensorFile, assert_close, sample};

fn transform(min_size: usize, max_size: usize) -> Transform {
    Transform {
        resize: Some(ResizeBounds { min_size, max_size }),
        ..Transform::torchvision()
    }
}

#[test]
fn sizes_are_the_same() {
    let golden = golden();
    for row in golden.integers("transform.sizes").chunks(6) {
        let size = |index: usize| row[index] as usize;
        let frame = transform(size(2), size(3)).frame([size(0), size(1)]);
        match row[4..] {
            // A side would vanish: torchvision fails, ours is one pixel.
            [-1, -1] => assert!(frame.resized.contains(&1), "{row:?}: {frame:?}"),
            _ => assert_eq!(frame.resized, [size(4), size(5)], "{row:?}"),
        }
        for (padded, resized) in frame.padded.into_iter().zip(frame.resized) {
            assert_eq!(padded % 32, 0, "{row:?}: {frame:?}");
            assert!(
                (resized..resized + 32).contains(&padded),
                "{row:?}: {frame:?}"
            );
        }
    }
}

#[test]
fn the_prepared_picture_is_the_same() {
    let golden = golden();
    let shape = golden.shape("transform.picture");
    let (height, width) = (shape[0], shape[1]);
    let picture = weights::picture(golden.number("seed"), width as u32, height as u32);
    let transform = transform(40, 70);
    let frame = transform.frame([height, width]);
    assert_eq!(*golden.counts("transform.resized"), frame.resized);
    let found = transform.apply(&picture, &frame, &Device::flex());
    let expected = golden.shape("transform.output");
    assert_eq!(found.dims().to_vec(), expected);
    let found: Vec<f32> = found.to_data().try_to_vec().expect("f32");
    let expected = golden.floats("transform.output");
    assert_close("transform.output", &found, &expected, 1e-6);
}

/// Pictures that are resized and nothing else.
fn resizing(resizer: Resizer, min_size: usize, max_size: usize) -> Transform {
    Transform {
        resize: Some(ResizeBounds { min_size, max_size }),
        resizer,
        mean: [0.0; 3],
        ..Transform::retinaface()
    }
}

#[test]
fn resizers_resize_to_the_same_sizes() {
    let golden = TensorFile::golden("resizers");
    for (name, resizer) in [
        ("pillow", Resizer::Pillow),
        ("opencv", Resizer::OpenCv),
        ("nanodet", Resizer::NanoDet),
        ("nanodet_plus", Resizer::NanoDetPlus),
    ] {
        for row in golden.counts(&format!("{name}.sizes")).chunks(6) {
            let frame = resizing(resizer, row[2], row[3]).frame([row[0], row[1]]);
            // Where a side vanishes ours is one pixel.
            let expected = [row[4].max(1), row[5].max(1)];
            assert_eq!(frame.resized, expected, "{name} {row:?}");
        }
    }
}

#[test]
fn pictures_are_resized_as_by_others() {
    let golden = TensorFile::golden("resizers");
    for (index, case) in golden.counts("cases").chunks(4).enumerate() {
        let [height, width] = [case[0], case[1]];
        let picture = weights::picture(golden.number("seed"), width as u32, height as u32);
        for (name, resizer, tolerance) in [
            ("pillow", Resizer::Pillow, 0.0),
            ("opencv", Resizer::OpenCv, 1e-5),
            // Places in f32 are some 1e-5 of a pixel from those in f64.
            ("nanodet", Resizer::NanoDet, 3e-5),
            ("nanodet_plus", Resizer::NanoDetPlus, 3e-5),
        ] {
            let transform = resizing(resizer, case[2], case[3]);
            let frame = transform.frame([height, width]);
            let found = transform.apply(&picture, &frame, &Device::flex());
            let found: Vec<f32> = found.to_data().try_to_vec().expect("f32");
            let label = format!("{name}.{index}");
            let expected = golden.floats(&label);
            assert_close(&label, &sample(&found, 256), &expected, tolerance);
        }
    }
}
