//! Dense heads of any levels, anchors and codes of boxes: their plans find what Burn finds.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fpn_wgpu::models::{Outputs, Request};
use fpn_wgpu::ops::anchors::{AnchorGrid, AnchorLayout, AnchorRule};
use fpn_wgpu::ops::dense_decode::{BoxCode, DenseMaps, DenseOptions, decode_dense};
use fpn_wgpu::ops::select::select_detections;

use crate::detectors::{Levels, SELECT, SIZE, check, steps_of};

/// Heads over maps that come straight from the picture.
#[derive(Module, Debug)]
struct Dense {
    classes: Levels,
    boxes: Option<Levels>,
    centreness: Option<Levels>,
}

/// What they are made of.
#[derive(Clone)]
struct Form {
    options: DenseOptions,
    is_behind: bool,
    is_centred: bool,
}

impl Dense {
    fn new(form: &Form, device: &Device) -> Self {
        let options = &form.options;
        let levels = &options.anchors.levels;
        let strides: Vec<usize> = levels.iter().map(|level| level.stride[0]).collect();
        let of = |values: usize| {
            let channels = |level: usize| values * levels[level].cell.len();
            Levels::new(&strides, channels, device)
        };
        let values = match options.code {
            BoxCode::Distribution { bins } => 4 * bins,
            _ => 4,
        };
        Self {
            classes: of(options.classes + if form.is_behind { values } else { 0 }),
            boxes: (!form.is_behind).then(|| of(values)),
            centreness: form.is_centred.then(|| of(1)),
        }
    }

    fn forward(&self, image: Tensor<4>, frame: Tensor<1>, form: &Form) -> Outputs {
        let mut outputs = Outputs::new(&Request::maps([]), &image);
        let of = |heads: &Option<Levels>| match heads {
            Some(heads) => heads.forward(&image),
            None => Vec::new(),
        };
        let maps = DenseMaps {
            classes: self.classes.forward(&image),
            boxes: of(&self.boxes),
            centreness: of(&self.centreness),
        };
        let candidates = decode_dense(maps, frame.clone(), form.options.clone());
        outputs.detections = Some(select_detections(candidates, frame, SELECT));
        outputs
    }
}

fn anchors(layout: AnchorLayout, levels: usize) -> AnchorGrid {
    let strides = (3..).take(levels).map(|level| 1 << level);
    let maps: Vec<[usize; 2]> = strides
        .map(|stride: usize| SIZE.map(|side| side / stride))
        .collect();
    layout.grid(3, SIZE, &maps)
}

#[test]
fn dense_heads_of_any_levels_and_anchors() {
    let anchored = AnchorLayout {
        sizes: &[&[8.0, 10.0, 12.0], &[16.0, 20.0, 25.0], &[32.0, 40.0, 50.0]],
        rule: AnchorRule::Cornered { finest_stride: 8 },
        ..AnchorLayout::torchvision()
    };
    let points = AnchorLayout {
        sizes: &[&[8.0], &[16.0], &[32.0]],
        aspect_ratios: &[1.0],
        rule: AnchorRule::Centred,
    };
    let deltas = DenseOptions {
        anchors: anchors(anchored, 3),
        classes: 91,
        first_label: 0,
        code: BoxCode::Deltas,
        score_threshold: 0.6,
        per_level: Some(100),
        extent: None,
    };
    let distances = DenseOptions {
        anchors: anchors(points, 3),
        classes: 5,
        code: BoxCode::Distances,
        score_threshold: 0.5,
        ..deltas.clone()
    };
    let distribution = DenseOptions {
        code: BoxCode::Distribution { bins: 8 },
        first_label: 1,
        score_threshold: 0.55,
        per_level: None,
        extent: Some([64, 80]),
        ..distances.clone()
    };
    // The finest level has 99 cells with 9 anchors of 91 classes each, in three lists that become one.
    for (about, options, is_behind, is_centred, lists) in [
        ("deltas", deltas.clone(), false, false, 4),
        ("one level", one_level(&deltas), false, false, 2),
        ("distances, centred", distances, false, true, 3),
        ("distributions", distribution.clone(), true, false, 3),
        ("distributions of their own", distribution, false, false, 3),
    ] {
        let form = Form {
            options,
            is_behind,
            is_centred,
        };
        let plan = check(
            about,
            |device| Dense::new(&form, device),
            |module, image, frame| module.forward(image, frame, &form),
        );
        let levels = form.options.anchors.levels.len();
        assert_eq!(steps_of(&plan, "scores"), lists, "{about}");
        assert_eq!(steps_of(&plan, "candidates"), levels, "{about}");
    }
}

fn one_level(options: &DenseOptions) -> DenseOptions {
    let mut one = options.clone();
    one.anchors.levels.truncate(1);
    one
}
