//! Names of parameters: a module's paths and the keys of the checkpoints they come from.

use crate::models::Architecture;

/// A key as the older of torchvision's two layouts writes it (the newer wraps the pyramid's and the
/// RPN's convolutions in blocks: `fpn.inner_blocks.0.0.weight`), and without the prefix that
/// PyTorch's `DataParallel` adds.
pub(super) fn older_layout(key: &str) -> String {
    let key = key.strip_prefix("module.").unwrap_or(key);
    let parts: Vec<&str> = key.split('.').collect();
    match parts[..] {
        ["backbone", "fpn", blocks, level, "0", leaf] => {
            ["backbone", "fpn", blocks, level, leaf].join(".")
        }
        ["rpn", "head", "conv", "0", "0", leaf] => ["rpn", "head", "conv", leaf].join("."),
        _ => key.to_owned(),
    }
}

/// The checkpoint key of the parameter at `path` in a module.
pub(super) fn key_of(architecture: Architecture, path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match architecture {
        Architecture::FasterRcnnFpn(_) | Architecture::PyramidTiny => torchvision(&parts),
        Architecture::RetinaFaceMobileNet025 => retinaface(&parts),
    }
}

fn torchvision(path: &[&str]) -> String {
    match path {
        [block @ .., "downsample", layer, leaf] => {
            let block = block.join(".");
            let index = index_in_sequence(layer);
            format!("{block}.downsample.{index}.{leaf}")
        }
        _ => path.join("."),
    }
}

fn retinaface(path: &[&str]) -> String {
    match path {
        ["body", stage, block, "depthwise", layer, leaf] => {
            let index = index_in_sequence(layer);
            format!("body.{stage}.{block}.{index}.{leaf}")
        }
        // Behind the depthwise convolution, its norm and its activation.
        ["body", stage, block, "pointwise", layer, leaf] => {
            let index = 3 + index_in_sequence(layer);
            format!("body.{stage}.{block}.{index}.{leaf}")
        }
        [module @ .., layer @ ("conv" | "norm"), leaf] => {
            let index = index_in_sequence(layer);
            let module = module
                .join(".")
                .replace("3x3", "3X3")
                .replace("5x5", "5X5")
                .replace("7x7_2", "7X7_2"); // its sibling 7x7_3 is spelled small
            format!("{module}.{index}.{leaf}")
        }
        ["class_head", level, leaf] => format!("ClassHead.{level}.conv1x1.{leaf}"),
        ["bbox_head", level, leaf] => format!("BboxHead.{level}.conv1x1.{leaf}"),
        ["landmark_head", level, leaf] => format!("LandmarkHead.{level}.conv1x1.{leaf}"),
        _ => path.join("."),
    }
}

/// PyTorch's `Sequential` counts what a [`ConvNorm`](crate::models) names.
fn index_in_sequence(layer: &str) -> usize {
    match layer {
        "conv" => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_of_torchvision_have_one_key() {
        for (newer, older) in [
            (
                "backbone.fpn.inner_blocks.2.0.weight",
                "backbone.fpn.inner_blocks.2.weight",
            ),
            (
                "backbone.fpn.layer_blocks.0.0.bias",
                "backbone.fpn.layer_blocks.0.bias",
            ),
            ("rpn.head.conv.0.0.weight", "rpn.head.conv.weight"),
            (
                "backbone.body.layer1.0.downsample.0.weight",
                "backbone.body.layer1.0.downsample.0.weight",
            ),
        ] {
            assert_eq!(older_layout(newer), older);
            assert_eq!(older_layout(older), older);
        }
    }
}
