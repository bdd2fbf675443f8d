//! The keys of checkpoints of different origins.

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
