//! Pictures made a network's input by the kernels, against the CPU engine's way of doing so, which is
//! compared with Pillow, OpenCV and torchvision elsewhere.

use burn::tensor::Device;
use fpn_wgpu::kernels::checks::{Case, UNWRITTEN};
use fpn_wgpu::kernels::preprocess::{Params, Sampling};
use fpn_wgpu::kernels::{Dtypes, FrameUniform};
use fpn_wgpu::transform::{Frame, ResizeBounds, Resizer, Transform};
use fpn_wgpu::{verify, weights};
use image::RgbaImage;

use crate::adapter::gpu;

/// Height and width of a picture, and the bounds it is resized into.
const CASES: [([usize; 2], [usize; 2]); 6] = [
    ([37, 23], [60, 200]),
    ([150, 200], [25, 40]),
    ([331, 517], [40, 70]),
    ([101, 99], [100, 1333]),
    ([7, 300], [64, 128]),
    ([768, 1024], [48, 64]),
];

/// The kernel's call that leaves bytes as they are.
fn case(sampling: Sampling, picture: &RgbaImage, frame: &Frame) -> Case {
    let padded = frame.padded.map(|side| side as u32);
    let params = Params {
        padded,
        divisor: 1.0,
        is_bgr: 0,
        mean: [0.0; 4],
        deviation: [1.0; 4],
    };
    let uniform =
        FrameUniform::new(frame.original, frame.resized, frame.ratio).shifted(frame.shift);
    let words = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, u32>(bytes);
    let bindings = vec![
        words(bytemuck::bytes_of(&uniform)),
        words(picture.as_raw()),
        vec![UNWRITTEN; 4 * (padded[0] * padded[1]) as usize],
    ];
    let dispatch = params.dispatch(sampling, Dtypes::F32);
    Case::new(format!("{frame:?}"), dispatch, bindings)
}

#[test]
fn kernels_resize_as_the_cpu_engine_does() {
    let gpu = gpu();
    for (resizer, sampling, tolerance) in [
        (Resizer::Torchvision, Sampling::Bilinear, 1e-6),
        (Resizer::OpenCv, Sampling::Bilinear, 1e-6),
        (Resizer::NanoDet, Sampling::Warped, 1e-6),
        (Resizer::NanoDetPlus, Sampling::Warped, 1e-6),
        // Bytes are the same or wrong.
        (Resizer::Pillow, Sampling::Antialiased, 0.0),
    ] {
        for (size, [min_size, max_size]) in CASES {
            let transform = Transform {
                resize: Some(ResizeBounds { min_size, max_size }),
                resizer,
                mean: [0.0; 3],
                multiple: 8,
                ..Transform::retinaface()
            };
            let picture = weights::picture(3, size[1] as u32, size[0] as u32);
            let frame = transform.frame(size);
            let case = case(sampling, &picture, &frame);
            let found: Vec<f32> = bytemuck::cast_slice(&case.expected()[2]).to_vec();
            let expected = transform.apply(&picture, &frame, &Device::flex());
            let expected: Vec<f32> = expected.into_data().try_to_vec().expect("f32");
            let cells = frame.padded[0] * frame.padded[1];
            for (index, expected) in expected.into_iter().enumerate() {
                let found = found[4 * (index % cells) + index / cells];
                let difference = (found - expected).abs() / 255.0;
                assert!(difference <= tolerance, "{resizer:?} {frame:?} {index}");
            }
            let difference = verify::compare(&gpu, &case).expect("the GPU works");
            let allowed = case.dispatch.shader.tolerance();
            assert!(difference.relative <= allowed, "{frame:?}: {difference}");
        }
    }
}
