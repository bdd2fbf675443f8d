//! Convolutions, pools and interpolation over maps of several items, in every way that modules spell them:
//! their plans compute what Burn does.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d, interpolate, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::Target;
use fpn_wgpu::kernels::conv::Epilogue;
use fpn_wgpu::kernels::upsample_add::Upsampling;
use fpn_wgpu::kernels::{depthwise, grouped, winograd_input};
use fpn_wgpu::plan::Plan;
use proptest::prelude::*;
use proptest::sample::select;

use crate::modules::conv;
use crate::support::{captured, check_over, compiled, winograd};

/// A convolution of maps that another one has made.
#[derive(Module, Debug)]
struct Two {
    stem: Conv2d,
    conv: Conv2d,
}

#[derive(Clone, Debug)]
struct TwoConfig {
    /// Of the convolution's input and output.
    channels: [usize; 2],
    groups: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Above, to the left, below, to the right.
    padding: [usize; 4],
}

impl TwoConfig {
    /// A 3×3 convolution that keeps the size.
    fn same(channels: [usize; 2], groups: usize) -> Self {
        Self {
            channels,
            groups,
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [1; 4],
        }
    }

    fn init(&self, device: &Device) -> Two {
        let [top, left, bottom, right] = self.padding;
        Two {
            stem: conv([3, self.channels[0]], 1, device),
            conv: Conv2dConfig::new(self.channels, self.kernel)
                .with_groups(self.groups)
                .with_stride(self.stride)
                .with_dilation(self.dilation)
                .with_padding(PaddingConfig2d::Explicit(top, left, bottom, right))
                .init(device),
        }
    }

    fn check(&self, shape: [usize; 4], target: &Target) -> Plan {
        check_over(
            shape,
            target,
            |device| self.init(device),
            |two, x| vec![relu(two.conv.forward(two.stem.forward(x)))],
        )
    }
}

fn two_config() -> impl Strategy<Value = TwoConfig> {
    // Channels of a group before and after, and how many groups.
    let channels = select(vec![
        (5, 7, 1),
        (16, 12, 1),
        (1, 1, 6),
        (1, 2, 4),
        (1, 3, 5),
        (2, 2, 6),
        (3, 1, 3),
        (3, 5, 2),
        (6, 2, 4),
        (4, 8, 3),
    ]);
    let pair = |most: usize| [1..=most, 1..=most];
    let padding = [0..3_usize, 0..3_usize, 0..3_usize, 0..3_usize];
    (channels, pair(3), pair(3), pair(2), padding).prop_map(
        |((before, after, groups), kernel, stride, dilation, padding)| TwoConfig {
            channels: [before * groups, after * groups],
            groups,
            kernel,
            stride,
            dilation,
            padding,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn convolutions_are_those_of_burn(config in two_config(), items in 1..4_usize, size in [5..10_usize, 5..10_usize]) {
        config.check([items, 3, size[0], size[1]], &Target::webgpu());
    }

    #[test]
    fn maxima_are_those_of_burn(
        items in 1..4_usize,
        size in [3..12_usize, 3..12_usize],
        kernel in [1..4_usize, 1..4_usize],
        stride in [1..4_usize, 1..4_usize],
        dilation in [1..3_usize, 1..3_usize],
        pads: bool,
        ceil: bool,
    ) {
        // Burn refuses windows that are larger than what they move over.
        let padding = kernel.map(|side| if pads { side / 2 } else { 0 });
        let fits = |axis: usize| dilation[axis] * (kernel[axis] - 1) < size[axis] + 2 * padding[axis];
        prop_assume!(fits(0) && fits(1));
        let options = MaxPoolOptions::new(kernel)
            .with_stride(stride)
            .with_dilation(dilation)
            .with_padding(padding)
            .with_ceil_mode(ceil);
        check_over([items, 3, size[0], size[1]], &Target::webgpu(), |device| conv([3, 6], 1, device), |conv, x| {
            vec![max_pool2d(conv.forward(x), options.clone())]
        });
    }

    #[test]
    fn averages_are_those_of_burn(
        items in 1..4_usize,
        size in [3..12_usize, 3..12_usize],
        kernel in [1..4_usize, 1..4_usize],
        stride in [1..4_usize, 1..4_usize],
        pads: bool,
        ceil: bool,
        counts: bool,
    ) {
        let options = AvgPoolOptions::new(kernel)
            .with_stride(stride)
            .with_padding(kernel.map(|side| if pads { side / 2 } else { 0 }))
            .with_count_include_pad(counts)
            .with_ceil_mode(ceil);
        check_over([items, 3, size[0], size[1]], &Target::webgpu(), |device| conv([3, 6], 1, device), |conv, x| {
            vec![avg_pool2d(conv.forward(x), options.clone())]
        });
    }

    #[test]
    fn interpolation_is_that_of_burn(
        items in 1..4_usize,
        from in [1..12_usize, 1..12_usize],
        to in [1..20_usize, 1..20_usize],
        mode in select(vec![InterpolateMode::Nearest, InterpolateMode::Bilinear]),
        aligned: bool,
    ) {
        check_over([items, 3, from[0], from[1]], &Target::webgpu(), |device| conv([3, 6], 1, device), |conv, x| {
            vec![resized(conv.forward(x), to, mode.clone(), aligned)]
        });
    }
}

fn resized(x: Tensor<4>, size: [usize; 2], mode: InterpolateMode, aligned: bool) -> Tensor<4> {
    let options = InterpolateOptions::new(mode)
        .with_align_corners(aligned)
        .with_output_size(size);
    interpolate(x, options)
}

#[test]
fn winograds_tiles_are_of_all_items() {
    let dense = TwoConfig::same([17, 20], 1);
    for items in [1, 3] {
        let plan = dense.check([items, 3, 7, 9], &winograd());
        let mut kernels = plan.steps.iter().map(|step| step.shader.kernel);
        assert!(kernels.any(|kernel| *kernel == winograd_input::KERNEL));
    }
    let uneven = TwoConfig {
        padding: [0, 2, 1, 1],
        ..dense.clone()
    };
    uneven.check([2, 3, 7, 9], &winograd());
    // Its tiles are of cells side by side.
    let dilated = TwoConfig {
        dilation: [2, 2],
        ..dense
    };
    let plan = dilated.check([2, 3, 7, 9], &winograd());
    assert_eq!(plan.steps.len(), 2);
}

/// Which kernel makes the last map of a plan.
fn last_kernel(plan: &Plan) -> &str {
    let last = plan.steps.last().expect("it computes");
    &last.shader.kernel.name
}

/// Few groups become one of whole blocks of channels; where none do, all are one.
#[test]
fn groups_of_any_channels_are_computed_by_whole_blocks() {
    let kernel = |channels, groups| {
        let plan = TwoConfig::same(channels, groups).check([2, 3, 5, 4], &Target::webgpu());
        last_kernel(&plan).to_owned()
    };
    assert_eq!(kernel([16, 32], 16), "grouped");
    assert_eq!(kernel([16, 16], 8), "grouped");
    assert_eq!(kernel([12, 24], 2), "conv 4×16");
    assert_eq!(kernel([6, 6], 6), "depthwise");
    assert_eq!(kernel([6, 12], 6), "conv 4×16");
}

/// A map and a coarser one, which a convolution's result is added to.
#[test]
fn every_convolution_adds_maps_of_several_items() {
    for (channels, groups, kernel) in [
        ([8, 6], 1, None),
        ([8, 8], 2, Some(grouped::kernel as fn(Epilogue) -> _)),
        ([7, 7], 7, Some(depthwise::kernel as fn(Epilogue) -> _)),
    ] {
        let config = TwoConfig::same(channels, groups);
        for (mode, upsampling) in [
            (InterpolateMode::Nearest, Upsampling::Nearest),
            (InterpolateMode::Bilinear, Upsampling::Bilinear),
        ] {
            let plan = check_over(
                [3, 3, 6, 9],
                &Target::webgpu(),
                |device| {
                    let coarse = Conv2dConfig::new([3, channels[1]], [2, 2]).with_stride([2, 2]);
                    (config.init(device), coarse.init(device))
                },
                |(two, coarse), x| {
                    let coarse = coarse.forward(x.clone());
                    let made = two.conv.forward(two.stem.forward(x));
                    let upsampled = resized(coarse, [6, 9], mode.clone(), false);
                    vec![relu(relu(made) + upsampled)]
                },
            );
            // The stem, the coarse map, and their sum.
            assert_eq!(plan.steps.len(), 3);
            if let Some(kernel) = kernel {
                let expected: &fpn_wgpu::kernels::Kernel = kernel(Epilogue::Residual(upsampling));
                assert_eq!(last_kernel(&plan), expected.name);
            }
        }
    }
}

#[test]
fn sums_that_no_convolution_takes_are_of_several_items() {
    check_over(
        [2, 3, 6, 5],
        &Target::webgpu(),
        |device| conv([3, 5], 1, device),
        |conv, x| {
            let made = conv.forward(x);
            let coarse = max_pool2d(made.clone(), MaxPoolOptions::new([2, 2]));
            let sum = made.clone() + resized(coarse, [6, 5], InterpolateMode::Bilinear, false);
            vec![sum, made]
        },
    );
}

#[test]
fn depthwise_convolutions_write_side_by_side() {
    let plan = check_over(
        [2, 3, 4, 5],
        &Target::webgpu(),
        |device| {
            let depthwise = TwoConfig::same([8, 8], 8).init(device);
            (depthwise, conv([3, 6], 1, device))
        },
        |(two, other), x| {
            let made = two.conv.forward(two.stem.forward(x.clone()));
            vec![Tensor::cat(vec![made, other.forward(x)], 1)]
        },
    );
    assert_eq!(plan.steps.len(), 3);
}

#[test]
fn adaptive_averages_of_windows_alike_are_those_of_burn() {
    for made in [[1, 1], [3, 2], [6, 8]] {
        check_over(
            [2, 3, 6, 8],
            &Target::webgpu(),
            |device| conv([3, 5], 1, device),
            |conv, x| vec![adaptive_avg_pool2d(conv.forward(x), made)],
        );
    }
}

/// Why a module over one convolution is refused.
fn refusal(forward: impl Fn(Tensor<4>) -> Tensor<4>) -> String {
    let captured = captured(
        [6, 5],
        |device| conv([3, 6], 1, device),
        |conv, x| vec![forward(conv.forward(x))],
    );
    let error = compiled(&captured).expect_err("no kernel computes it");
    error.to_string()
}

#[test]
fn what_no_kernel_computes_is_told() {
    let adaptive = refusal(|x| adaptive_avg_pool2d(x, [4, 5]));
    assert!(adaptive.contains("do not divide the map's"), "{adaptive}");
    for mode in [
        InterpolateMode::NearestExact,
        InterpolateMode::Bicubic,
        InterpolateMode::Lanczos3,
    ] {
        let told = refusal(|x| resized(x, [9, 9], mode.clone(), false));
        assert!(told.contains("only nearest and bilinear"), "{told}");
    }
    // Its taps lie to both sides of the map.
    let outside = refusal(|x| {
        let options = MaxPoolOptions::new([2, 1])
            .with_stride([1, 1])
            .with_dilation([8, 1])
            .with_padding([2, 0]);
        max_pool2d(x, options)
    });
    assert!(outside.contains("holds no cell"), "{outside}");
}
