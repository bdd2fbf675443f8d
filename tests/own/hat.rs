//! A group of HAT's blocks: windows that are shifted and that overlap, over a map that is no multiple of them.

use fpn_wgpu::models::hat::{HatConfig, ResidualGroup};

use crate::case::Case;

#[test]
fn hat_group() {
    Case {
        name: "HAT",
        init: |device| {
            let config = HatConfig {
                squeeze: 10,
                ..HatConfig::new(42, 4, 3)
            };
            ResidualGroup::new(&config, device).expect("windows of 4 fit")
        },
        forward: |group, io| {
            let x = io.input("map")?;
            io.output("map", group.forward(x))
        },
        inputs: &[("map", &[1, 42, 10, 13])],
    }
    .check();
}
