//! The properties of convolutions and products: every form is its reference, whatever the shape.

use fpn_wgpu::kernels::checks::Random;
use fpn_wgpu::kernels::conv::{ConvForm, ConvShape, Epilogue};
use fpn_wgpu::kernels::{self, Dtypes};
use proptest::prelude::*;
use proptest::sample::select;

use crate::adapter::gpu;
use crate::references::{check, items, sides, slope, upsampling};

/// The forms that the adapter runs.
fn form() -> impl Strategy<Value = ConvForm> {
    let gpu = gpu();
    let mut forms = ConvForm::ALL.to_vec();
    forms.retain(|form| {
        let kernel = kernels::conv::kernel(*form, Epilogue::Bias);
        gpu.runs(kernel.shader(Dtypes::F32))
    });
    select(forms)
}

fn conv_shape() -> impl Strategy<Value = ConvShape> {
    // Side, step, dilation, padding.
    let window = select(vec![
        [1, 1, 1, 0],
        [1, 2, 1, 0],
        [3, 1, 1, 1],
        [3, 2, 1, 1],
        [3, 1, 2, 2],
        [3, 2, 2, 2],
        [5, 1, 1, 2],
        [7, 2, 1, 3],
    ]);
    let beside = [0..3_usize, 0..3_usize];
    (
        items(),
        sides(20),
        1..70_usize,
        1..70_usize,
        window,
        beside,
        [slope(), slope()],
    )
        .prop_map(
            |(items, size, in_channels, out_channels, window, beside, slopes)| ConvShape {
                items,
                dilation: window[2],
                beside: beside.map(|blocks| 4 * blocks),
                slopes,
                ..ConvShape::same(size, in_channels, out_channels)
                    .window(window[0], window[1], window[3])
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn conv(form in form(), shape in conv_shape(), seed: u64) {
        check(&kernels::conv::case(form, shape, &mut Random::new(seed)));
    }

    #[test]
    fn conv_residual(form in form(), shape in conv_shape(), part in [1..4_usize, 1..4_usize], upsampling in upsampling(), seed: u64) {
        prop_assume!(form.has(Epilogue::Residual(upsampling)));
        let out = shape.out_size();
        let coarser = [0, 1].map(|axis| out[axis].div_ceil(part[axis]));
        // What is added has the channels that are made, and no others beside them.
        let shape = ConvShape { residual: Some((coarser, upsampling)), ..shape };
        check(&kernels::conv::case(form, shape, &mut Random::new(seed)));
    }

    #[test]
    fn conv_shuffled(form in form(), shape in conv_shape(), shuffle in 2..5_usize, seed: u64) {
        prop_assume!(form.has(Epilogue::Shuffled));
        let shape = ConvShape { shuffle, ..shape };
        check(&kernels::conv::case(form, shape, &mut Random::new(seed)));
    }

    #[test]
    fn matrix_product(form in form(), rows in 1..700_usize, inputs in 1..90_usize, outputs in 1..90_usize, seed: u64) {
        let shape = ConvShape::same([1, rows], inputs, outputs).window(1, 1, 0);
        check(&kernels::conv::case(form, shape, &mut Random::new(seed)));
    }

    #[test]
    fn products(form in form(), matrices in 1..9_usize, rows in 1..90_usize, channels in [1..70_usize, 1..70_usize], seed: u64) {
        check(&kernels::conv::products(form, matrices, rows, channels, &mut Random::new(seed)));
    }

    #[test]
    fn winograd(items in items(), size in sides(20), channels in [1..40_usize, 1..40_usize], first in 0..5_usize, slope in slope(), shuffle in 1..4_usize, seed: u64) {
        let random = &mut Random::new(seed);
        let shape = ConvShape { items, slopes: [slope, 1.0], shuffle, ..ConvShape::same(size, channels[0], channels[1]) };
        let tiles = items * size[0].div_ceil(4) * size[1].div_ceil(4);
        let first = first.min(tiles - 1);
        check(&kernels::winograd_input::case(shape, [first, tiles - first], random));
        check(&kernels::winograd_output::case(shape, [first, tiles - first], random));
    }

    #[test]
    fn depthwise(
        shape in conv_shape(),
        part in proptest::option::of([1..4_usize, 1..4_usize]),
        upsampling in upsampling(),
        seed: u64,
    ) {
        let out = shape.out_size();
        let residual = part.map(|part| [0, 1].map(|axis| out[axis].div_ceil(part[axis])));
        let residual = residual.map(|size| (size, upsampling));
        let shape = ConvShape { out_channels: shape.in_channels, residual, ..shape };
        check(&kernels::depthwise::case(shape, &mut Random::new(seed)));
    }

    #[test]
    fn grouped(
        shape in conv_shape(),
        groups in select(vec![2_usize, 3, 8, 32]),
        group_blocks in [1..5_usize, 1..5_usize],
        part in proptest::option::of([1..4_usize, 1..4_usize]),
        upsampling in upsampling(),
        seed: u64,
    ) {
        let out = shape.out_size();
        let [in_channels, out_channels] = group_blocks.map(|blocks| 4 * groups * blocks);
        let residual = part.map(|part| [0, 1].map(|axis| out[axis].div_ceil(part[axis])));
        let residual = residual.map(|size| (size, upsampling));
        let shape = ConvShape { in_channels, out_channels, residual, ..shape };
        check(&kernels::grouped::case(groups, shape, &mut Random::new(seed)));
    }
}
