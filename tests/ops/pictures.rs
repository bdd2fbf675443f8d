//! Preparing pictures, against torchvision's `GeneralizedRCNNTransform`.

use burn::tensor::Device;
use fpn_wgpu::transform::{ResizeBounds, Transform};
use fpn_wgpu::weights;

use crate::golden;
use crate::support::assert_close;

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
