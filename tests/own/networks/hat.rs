//! HAT's groups: windows that are shifted and that overlap.

use std::sync::Arc;

use fpn_wgpu::models::hat::{HatConfig, ResidualGroup};

use super::Case;

/// Two groups over one map `[1, C, H, W]`.
pub fn case(map: [usize; 4], config: HatConfig) -> Case<Vec<ResidualGroup>> {
    Case {
        name: "HAT",
        init: Arc::new(move |device| {
            [(); 2]
                .map(|()| ResidualGroup::new(&config, device).expect("the windows fit"))
                .to_vec()
        }),
        forward: |groups, io| {
            let x = io.input::<4>("map")?;
            io.output("map", groups.iter().fold(x, |x, group| group.forward(x)))
        },
        inputs: vec![("map", map.to_vec())],
    }
}
