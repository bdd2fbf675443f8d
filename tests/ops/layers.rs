//! Burn's own operations on the CPU engine against PyTorch's, with the options that our models use.

use burn::tensor::Tensor;
use burn::tensor::module::{batch_norm, interpolate, max_pool2d};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, MaxPoolOptions};

use crate::golden;
use crate::support::{TensorFile, assert_close};

/// Compare a map with the golden of that name.
#[track_caller]
fn assert_same(golden: &TensorFile, name: &str, found: &Tensor<4>, tolerance: f32) {
    assert_eq!(found.dims().to_vec(), golden.shape(name), "{name}");
    let found: Vec<f32> = found.to_data().try_to_vec().expect("f32");
    assert_close(name, &found, &golden.floats(name), tolerance);
}

#[test]
fn interpolation_without_aligned_corners() {
    let golden = golden();
    let check = |mode: InterpolateMode, name: &str, size: [usize; 2], tolerance: f32| {
        let options = InterpolateOptions::new(mode)
            .with_align_corners(false)
            .with_output_size(size);
        let found = interpolate(golden.tensor("interpolate.input"), options);
        let name = format!("interpolate.{name}.{}x{}", size[0], size[1]);
        assert_same(&golden, &name, &found, tolerance);
    };
    for size in [[11, 13], [3, 4], [5, 7]] {
        check(InterpolateMode::Bilinear, "bilinear", size, 2e-6);
    }
    for size in [[11, 13], [9, 13], [10, 14], [3, 4]] {
        check(InterpolateMode::Nearest, "nearest", size, 0.0);
    }
}

#[test]
fn max_pooling() {
    let golden = golden();
    for size in ["9x12", "10x7"] {
        for (kernel, stride, padding) in [(3, 2, 1), (1, 2, 0)] {
            let options = MaxPoolOptions::new([kernel; 2])
                .with_stride([stride; 2])
                .with_padding([padding; 2]);
            let found = max_pool2d(golden.tensor(&format!("max_pool.{size}.input")), options);
            let name = format!("max_pool.{size}.{kernel}_{stride}_{padding}");
            assert_same(&golden, &name, &found, 0.0);
        }
    }
}

/// With `eps` 0 as well, which torchvision's COCO checkpoints were trained with.
#[test]
fn batch_normalization() {
    let golden = golden();
    let parameter = |name: &str| golden.tensor::<1>(&format!("batch_norm.{name}"));
    for (name, eps) in [("0", 0.0), ("1e-5", 1e-5)] {
        let found = batch_norm(
            golden.tensor::<4>("batch_norm.input"),
            parameter("weight"),
            parameter("bias"),
            parameter("running_mean"),
            parameter("running_var"),
            eps,
        );
        let name = format!("batch_norm.output.{name}");
        assert_same(&golden, &name, &found, 1e-6);
    }
}

#[test]
fn bilinear_upsampling_and_addition() {
    let golden = TensorFile::golden("upsample_bilinear");
    for case in golden.metadata("cases").split(' ') {
        let fine: Tensor<4> = golden.tensor(&format!("{case}.fine"));
        let coarse: Tensor<4> = golden.tensor(&format!("{case}.coarse"));
        let [_, _, height, width] = fine.dims();
        let options = InterpolateOptions::new(InterpolateMode::Bilinear)
            .with_align_corners(false)
            .with_output_size([height, width]);
        let found = fine + interpolate(coarse, options);
        assert_same(&golden, &format!("{case}.output"), &found, 2e-6);
    }
}
