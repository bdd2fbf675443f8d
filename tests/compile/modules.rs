//! Modules whose plans compute what Burn does.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, leaky_relu, relu};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::Target;
use fpn_wgpu::kernels::conv::Epilogue;
use fpn_wgpu::kernels::upsample_add::Upsampling;
use fpn_wgpu::kernels::{self, grouped};
use fpn_wgpu::ops::pixel_shuffle::pixel_shuffle;
use fpn_wgpu::ops::window_attention::{WindowAttentionOptions, Windows, window_attention};

use crate::support::{check, check_over, winograd};

/// A convolution that keeps the size at stride 1.
pub fn conv(channels: [usize; 2], side: usize, device: &Device) -> Conv2d {
    let pad = side / 2;
    Conv2dConfig::new(channels, [side; 2])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .init(device)
}

/// A block as ResNeXt has them, but for the last 1×1 convolution.
#[derive(Module, Debug)]
struct Block {
    stem: Conv2d,
    reduce: Conv2d,
    grouped: Conv2d,
    norm: BatchNorm,
}

#[derive(Clone, Copy)]
struct BlockConfig {
    /// Of the block's input, between its convolutions, and of its output.
    channels: [usize; 3],
    groups: usize,
    stride: usize,
    bias: bool,
    /// Whether the block's input is added.
    residual: bool,
}

impl Block {
    fn new(config: BlockConfig, device: &Device) -> Self {
        let [input, middle, output] = config.channels;
        Self {
            stem: conv([3, input], 1, device),
            reduce: conv([input, middle], 1, device),
            grouped: Conv2dConfig::new([middle, output], [3, 3])
                .with_stride([config.stride; 2])
                .with_groups(config.groups)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(config.bias)
                .init(device),
            norm: BatchNormConfig::new(output).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>, config: BlockConfig) -> Tensor<4> {
        let x = self.stem.forward(x);
        let reduced = relu(self.reduce.forward(x.clone()));
        let y = self.norm.forward(self.grouped.forward(reduced));
        relu(if config.residual { y + x } else { y })
    }
}

#[test]
fn grouped_convolutions_are_those_of_burn() {
    let plain = BlockConfig {
        channels: [8, 32, 64],
        groups: 8,
        stride: 2,
        bias: true,
        residual: false,
    };
    let adding = BlockConfig {
        channels: [16; 3],
        groups: 2,
        stride: 1,
        bias: false,
        residual: true,
    };
    for (size, config) in [([7, 9], plain), ([6, 5], adding)] {
        let plan = check(
            size,
            |device| Block::new(config, device),
            |block, x| vec![block.forward(x, config)],
        );
        let last = plan.steps.last().expect("it has steps").shader.kernel;
        let epilogue = match config.residual {
            true => Epilogue::Residual(Upsampling::Nearest),
            false => Epilogue::Bias,
        };
        assert_eq!(last, grouped::kernel(epilogue));
    }
}

/// A lateral convolution that a coarser map is added to.
#[derive(Module, Debug)]
struct TopDown {
    coarse: Conv2d,
    lateral: Conv2d,
}

impl TopDown {
    fn new(device: &Device) -> Self {
        let coarse = Conv2dConfig::new([3, 7], [2, 2])
            .with_stride([2, 2])
            .init(device);
        Self {
            coarse,
            lateral: conv([3, 7], 1, device),
        }
    }
}

fn upsampled(x: Tensor<4>, size: [usize; 2], mode: InterpolateMode) -> Tensor<4> {
    let options = InterpolateOptions::new(mode)
        .with_align_corners(false)
        .with_output_size(size);
    interpolate(x, options)
}

#[test]
fn the_top_down_step_is_that_of_burn_fused_and_alone() {
    for mode in [InterpolateMode::Nearest, InterpolateMode::Bilinear] {
        for (size, alone) in [([9, 13], false), ([8, 5], true)] {
            let plan = check(size, TopDown::new, |module, x| {
                let coarse = module.coarse.forward(x.clone());
                let lateral = module.lateral.forward(x);
                let sum = lateral.clone() + upsampled(coarse, size, mode.clone());
                match alone {
                    // Others read the lateral's map too.
                    true => vec![sum, lateral],
                    false => vec![sum],
                }
            });
            assert_eq!(plan.steps.len(), if alone { 3 } else { 2 });
        }
    }
}

/// One buffer must not be bound twice in a dispatch where it may be written.
#[test]
fn a_map_can_be_added_to_itself() {
    let plan = check(
        [5, 6],
        |device| conv([3, 6], 1, device),
        |conv, x| {
            let y = relu(conv.forward(x));
            vec![y.clone() + y.clone(), y]
        },
    );
    for step in &plan.steps {
        for (index, binding) in step.bindings.iter().enumerate() {
            assert!(!step.bindings[..index].contains(binding), "{step:?}");
        }
    }
}

#[test]
fn a_map_can_be_given_back_twice() {
    check(
        [5, 6],
        |device| conv([3, 6], 1, device),
        |conv, x| {
            let y = conv.forward(x);
            vec![y.clone(), y]
        },
    );
}

#[test]
fn pixels_are_shuffled_as_by_burns_own_operations() {
    for factor in [1, 2, 3] {
        let channels = 5 * factor * factor;
        let init = |device: &Device| conv([3, channels], 1, device);
        let plan = check([4, 3], init, |conv, x| {
            vec![pixel_shuffle(conv.forward(x), factor)]
        });
        let (_, slot) = plan.tensors().next().expect("one map");
        assert_eq!(slot.shape, [1, 5, 4 * factor, 3 * factor]);
    }
    // The definition, by operations that the compiler does not take yet.
    let x = Tensor::<1>::from_floats(
        (0..72).map(|k| k as f32).collect::<Vec<_>>().as_slice(),
        &Device::flex(),
    )
    .reshape([1, 12, 2, 3]);
    let squares = x.clone().reshape([1, 3, 2, 2, 2, 3]);
    let expected = squares.permute([0, 1, 4, 2, 5, 3]).reshape([1, 3, 4, 6]);
    let expected: Tensor<4> = expected;
    let found = pixel_shuffle(x, 2);
    assert_eq!(found.into_data(), expected.into_data());
}

/// A convolution whose pixels are shuffled, and one that reads the result.
#[derive(Module, Debug)]
struct Shuffled {
    stem: Conv2d,
    before: Conv2d,
    norm: BatchNorm,
    after: Conv2d,
}

impl Shuffled {
    /// For a shuffle that leaves so many channels.
    fn new(channels: usize, factor: usize, side: usize, device: &Device) -> Self {
        let before = channels * factor * factor;
        Self {
            stem: conv([3, 16], 1, device),
            before: conv([16, before], side, device),
            norm: BatchNormConfig::new(before).init(device),
            after: conv([channels, 6], 3, device),
        }
    }
}

#[test]
fn a_convolution_stores_its_pixels_where_they_are_shuffled_to() {
    for (channels, factor, side) in [(5, 2, 1), (4, 3, 3), (85, 2, 1), (17, 1, 3), (16, 2, 3)] {
        for target in [Target::webgpu(), winograd()] {
            let plan = check_over(
                [1, 3, 5, 7],
                &target,
                |device| Shuffled::new(channels, factor, side, device),
                |module, x| {
                    let made = module.before.forward(module.stem.forward(x));
                    let made = leaky_relu(module.norm.forward(made), 0.1);
                    // The convolution's own activation is the inner one, what is behind the shuffle a chain.
                    let made = gelu(pixel_shuffle(made, factor));
                    vec![module.after.forward(made)]
                },
            );
            let mut names = plan
                .steps
                .iter()
                .map(|step| step.shader.kernel.name.as_ref());
            let is_winograd = names.clone().any(|name| name == "winograd_input");
            assert_eq!(is_winograd, target == winograd() && side == 3);
            assert!(names.all(|name| name != kernels::pixel_shuffle::KERNEL.name));
            assert_eq!(plan.steps.len(), if is_winograd { 5 } else { 3 });
        }
    }
}

#[test]
fn what_is_shuffled_is_added_and_written_side_by_side() {
    let init = |device: &Device| (Shuffled::new(8, 2, 1, device), conv([16, 32], 3, device));
    let plan = check([3, 4], init, |(module, other), x| {
        let stem = module.stem.forward(x);
        let made = leaky_relu(pixel_shuffle(module.before.forward(stem.clone()), 2), 0.1);
        let other = pixel_shuffle(other.forward(stem), 2);
        vec![Tensor::cat(vec![made, other], 1)]
    });
    assert_eq!(plan.steps.len(), 3);
    let plan = check([3, 4], init, |(module, other), x| {
        let stem = module.stem.forward(x);
        let made = pixel_shuffle(module.before.forward(stem.clone()), 2);
        vec![made + pixel_shuffle(other.forward(stem), 2)]
    });
    assert_eq!(plan.steps.len(), 4);
}

#[test]
fn a_map_that_others_read_is_shuffled_by_a_step_of_its_own() {
    let plan = check(
        [4, 3],
        |device| Shuffled::new(5, 2, 1, device),
        |module, x| {
            let made = module.before.forward(module.stem.forward(x));
            vec![pixel_shuffle(made.clone(), 2), made]
        },
    );
    let last = plan.steps.last().expect("it has steps").shader.kernel;
    assert_eq!(*last, kernels::pixel_shuffle::KERNEL);
}

/// Windows that are shifted, that overlap, and heads that are no whole blocks of four.
#[test]
fn attention_within_windows_is_one_step_behind_its_queries() {
    #[derive(Module, Debug)]
    struct Attention {
        qkv: Conv2d,
        bias: Param<Tensor<2>>,
    }
    let cases = [
        (4, Windows::Shifted(0), 8),
        (4, Windows::Shifted(1), 16),
        (2, Windows::Overlapping(4), 8),
        (4, Windows::Shifted(2), 6),
    ];
    for (window, windows, channels) in cases {
        let options = WindowAttentionOptions {
            heads: 2,
            window,
            windows,
        };
        let plan = check(
            [8, 12],
            |device| {
                let bias = Tensor::zeros([options.positions().pow(2), 2], device);
                Attention {
                    qkv: conv([3, 3 * channels], 1, device),
                    bias: Param::from_tensor(bias),
                }
            },
            |module, x| {
                let qkv = module.qkv.forward(x);
                vec![window_attention(qkv, module.bias.val(), options)]
            },
        );
        let steps = plan.steps.len();
        match channels % 8 {
            0 => assert_eq!(steps, 2, "{windows:?}"),
            // Heads are filled up before, and cut again.
            _ => assert_eq!(steps, 4, "{windows:?}"),
        }
    }
}

#[test]
fn what_is_stacked_and_stacked_again_is_that_of_burn() {
    #[derive(Module, Debug)]
    struct Stacks {
        a: Conv2d,
        b: Conv2d,
        c: Conv2d,
    }
    check(
        [4, 7],
        |device| Stacks {
            a: conv([3, 8], 1, device),
            b: conv([3, 4], 3, device),
            c: conv([3, 6], 1, device),
        },
        |stacks, x| {
            let [a, b, c] = [&stacks.a, &stacks.b, &stacks.c].map(|conv| conv.forward(x.clone()));
            let inner = Tensor::cat(vec![a, b], 1);
            vec![Tensor::cat(vec![inner, c], 1)]
        },
    );
}

#[test]
fn what_nothing_reads_is_left_out() {
    #[derive(Module, Debug)]
    struct Two {
        read: Conv2d,
        unread: Conv2d,
    }
    let plan = check(
        [4, 4],
        |device| Two {
            read: conv([3, 4], 1, device),
            unread: conv([3, 4], 3, device),
        },
        |two, x| {
            two.unread.forward(x.clone());
            vec![two.read.forward(x)]
        },
    );
    assert_eq!(plan.steps.len(), 1);
}
