//! The ONNX project's own test vectors: what any engine must give.

use burn::tensor::Tensor;
use burn::tensor::module::{conv2d, interpolate, max_pool2d};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions, MaxPoolOptions};
use fpn_wgpu::boxes::{BBox, Edges, nms};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, align};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::support::{TensorFile, assert_close, shared};

const TOLERANCE: f32 = 1e-6;

/// RoIAlign's outputs are written with four digits.
const ROI_TOLERANCE: f32 = 1e-4;

/// Inputs, outputs and attributes of one operation.
struct Vector {
    name: &'static str,
    file: TensorFile,
    attributes: Value,
}

impl Vector {
    /// `None` where the shared folder is missing.
    fn open(name: &'static str) -> Option<Self> {
        let file = TensorFile::open(shared(&format!("vectors/{name}.safetensors"))?);
        let nodes: Value = serde_json::from_str(&file.metadata("nodes")).expect("JSON");
        let attributes = nodes[0]["attributes"].clone();
        Some(Self {
            name,
            file,
            attributes,
        })
    }

    fn attribute(&self, name: &str) -> &Value {
        let value = &self.attributes[name];
        assert!(!value.is_null(), "{} has no '{name}'", self.name);
        value
    }

    fn count(&self, name: &str) -> usize {
        let count = self.attribute(name).as_u64();
        count.unwrap_or_else(|| panic!("{}: '{name}' is no count", self.name)) as usize
    }

    /// A list of counts, or `default` where ONNX has one and the vector names none.
    fn counts<const N: usize>(&self, name: &str, default: [usize; N]) -> [usize; N] {
        match self.attributes.get(name) {
            None => default,
            Some(list) => serde_json::from_value(list.clone())
                .ok()
                .and_then(|list: Vec<usize>| list.try_into().ok())
                .unwrap_or_else(|| panic!("{}: '{name}' is {list}", self.name)),
        }
    }

    fn strides(&self) -> [usize; 2] {
        self.counts("strides", [1, 1])
    }

    /// Padding before and after, down and across.
    fn pads(&self) -> [(usize, usize); 2] {
        let [top, left, bottom, right] = self.counts("pads", [0; 4]);
        [(top, bottom), (left, right)]
    }

    #[track_caller]
    fn assert_output(&self, found: &Tensor<4>) {
        assert_eq!(
            found.dims().to_vec(),
            self.file.shape("out0"),
            "{}",
            self.name
        );
        let found: Vec<f32> = found.to_data().try_to_vec().expect("f32");
        assert_close(self.name, &found, &self.file.floats("out0"), TOLERANCE);
    }
}

fn run(names: &[&'static str], check: impl Fn(Vector)) {
    names
        .iter()
        .filter_map(|name| Vector::open(name))
        .for_each(check);
}

/// Two vectors cannot be run: their graphs take weights that the files do not hold.
#[test]
fn vectors_without_weights() {
    for name in ["Conv2d_groups", "BatchNorm2d_eval"] {
        let Some(path) = shared(&format!("vectors/{name}.safetensors")) else {
            continue;
        };
        let bytes = std::fs::read(path).expect("a file");
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let mut held = file.names();
        held.sort_unstable();
        assert_eq!(held, ["in0", "out0"], "{name} can be run");
        eprintln!("not run: {name} holds no weights");
    }
}

#[test]
fn roi_align() {
    run(
        &["roialign_aligned_false", "roialign_aligned_true"],
        |vector| {
            let file = &vector.file;
            assert!(file.counts("in2").iter().all(|&picture| picture == 0));
            let aligned = match vector.attribute("coordinate_transformation_mode").as_str() {
                Some("half_pixel") => true,
                Some("output_half_pixel") => false,
                other => panic!("{}: mode {other:?}", vector.name),
            };
            let options = RoiAlignOptions {
                output: ["output_height", "output_width"].map(|side| vector.count(side)),
                sampling_ratio: vector.count("sampling_ratio"),
                aligned,
                ..RoiAlignOptions::torchvision([1, 1])
            };
            let scale = vector
                .attribute("spatial_scale")
                .as_f64()
                .expect("a number") as f32;
            let (shape, values) = (file.shape("in0"), file.floats("in0"));
            let map = Map {
                values: &values,
                shape: [shape[1], shape[2], shape[3]],
            };
            let size = options.output.iter().product::<usize>() * shape[1];
            let boxes = file.boxes("in1");
            let mut found = vec![0.0; boxes.len() * size];
            for (bbox, roi) in boxes.into_iter().zip(found.chunks_mut(size)) {
                align(&map, bbox, scale, &options, roi);
            }
            assert_close(vector.name, &found, &file.floats("out0"), ROI_TOLERANCE);
        },
    );
}

#[test]
fn non_max_suppression() {
    run(
        &[
            "nonmaxsuppression_identical_boxes",
            "nonmaxsuppression_limit_output_size",
            "nonmaxsuppression_suppress_by_IOU",
            "nonmaxsuppression_suppress_by_IOU_and_scores",
            "nonmaxsuppression_two_classes",
        ],
        |vector| {
            let file = &vector.file;
            let boxes = file.boxes("in0");
            // Each a list of one.
            let limit = file.counts("in2")[0];
            let [threshold, score_threshold] = ["in3", "in4"].map(|name| file.floats(name)[0]);
            let mut found: Vec<usize> = Vec::new();
            for (class, scores) in file.floats("in1").chunks(boxes.len()).enumerate() {
                let mut order: Vec<usize> = (0..boxes.len())
                    .filter(|&index| scores[index] > score_threshold)
                    .collect();
                order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
                // ONNX writes y before x.
                let sorted: Vec<BBox> = order
                    .iter()
                    .map(|&index| boxes[index])
                    .map(|[y1, x1, y2, x2]| [x1, y1, x2, y2])
                    .collect();
                let kept = nms(&sorted, Edges::Exclusive, |_| 0, threshold, limit);
                // Rows of picture, class and box.
                found.extend(kept.into_iter().flat_map(|index| [0, class, order[index]]));
            }
            assert_eq!(found, file.counts("out0"), "{}", vector.name);
        },
    );
}

#[test]
fn convolution() {
    run(
        &[
            "basic_conv_with_padding",
            "conv_with_strides_padding",
            "conv_with_strides_and_asymmetric_padding",
        ],
        |vector| {
            let options = ConvOptions::new_with_padding(vector.strides(), vector.pads(), [1, 1], 1);
            let [x, weight] = ["in0", "in1"].map(|name| vector.file.tensor(name));
            vector.assert_output(&conv2d(x, weight, None, options));
        },
    );
}

#[test]
fn max_pool() {
    run(&["maxpool_2d_pads", "maxpool_2d_strides"], |vector| {
        let options = MaxPoolOptions::new(vector.counts("kernel_shape", [1, 1]))
            .with_stride(vector.strides())
            .with_padding_pairs(vector.pads());
        vector.assert_output(&max_pool2d(vector.file.tensor("in0"), options));
    });
}

#[test]
fn resize() {
    for (name, mode) in [
        ("resize_upsample_scales_nearest", InterpolateMode::Nearest),
        ("resize_upsample_scales_linear", InterpolateMode::Bilinear),
    ] {
        run(&[name], |vector| {
            let scales = vector.file.floats("in1");
            let options = InterpolateOptions::new(mode.clone())
                .with_align_corners(false)
                .with_scale_factor([scales[2], scales[3]]);
            vector.assert_output(&interpolate(vector.file.tensor("in0"), options));
        });
    }
}

/// Channels to pixels, as reshape, permute, reshape.
#[test]
fn pixel_shuffle() {
    for (name, block) in [("PixelShuffle", 3), ("depthtospace_crd_mode_example", 2)] {
        run(&[name], |vector| {
            let x: Tensor<4> = vector.file.tensor("in0");
            let [n, c, h, w] = x.dims();
            let channels = c / (block * block);
            let shuffled = x
                .reshape([n, channels, block, block, h, w])
                .permute([0, 1, 4, 2, 5, 3])
                .reshape([n, channels, h * block, w * block]);
            vector.assert_output(&shuffled);
        });
    }
}
