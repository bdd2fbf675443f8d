//! Attention within windows of any size against its reference.

use fpn_wgpu::kernels::checks::Random;
use fpn_wgpu::kernels::window_attention::{AttentionShape, case};
use proptest::prelude::*;

use crate::references::{check, sides};

/// Windows that are shifted, or that overlap.
fn attention() -> impl Strategy<Value = AttentionShape> {
    let windows = (sides(3), 1..9_usize).prop_flat_map(|(windows, window)| {
        let shifted = (0..window).prop_map(|shift| (0, shift));
        let overlapping = (1..4_usize).prop_map(|margin| (margin, 0));
        let own = prop_oneof![shifted, overlapping];
        (Just(windows), Just(window), own)
    });
    (windows, 1..6_usize, 1..18_usize).prop_map(
        |((windows, window, (margin, shift)), heads, blocks)| AttentionShape {
            windows,
            window,
            margin,
            shift,
            heads,
            blocks,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn window_attention(shape in attention(), seed: u64) {
        check(&case(shape, &mut Random::new(seed)));
    }
}
