//! Tensors of any rank: views, element-wise operations, reductions, products, attention. Their plans compute
//! what Burn does.

use burn::module::{Module, Param};
use burn::nn::{
    Gelu, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig,
};
use burn::tensor::activation::{
    gelu, gelu_approximate, hard_sigmoid, leaky_relu, log_sigmoid, log_softmax, mish, prelu, relu,
    sigmoid, silu, softmax, softmin, softplus, tanh,
};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::{CaptureError, Target, Tracer};
use fpn_wgpu::kernels::Role;
use fpn_wgpu::plan::Plan;

use crate::support::check_traced;

/// A module without parameters.
#[derive(Module, Debug)]
struct Nothing {}

/// What functions of one tensor come to.
fn of_one<const D: usize>(
    shape: [usize; D],
    forward: impl Fn(Tensor<D>, &mut Tracer) -> Result<(), CaptureError>,
) -> Plan {
    let init = |_: &Device| Nothing {};
    check_traced(&[("x", &shape)], &Target::webgpu(), init, |_, io| {
        let x = io.input::<D>("x")?;
        forward(x, io)
    })
}

/// The kernels that a plan runs.
fn kernels(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter();
    steps
        .map(|step| step.shader.kernel.file.to_owned())
        .collect()
}

#[test]
fn activations_are_those_of_burn() {
    let plan = of_one([2, 3, 5], |x, io| {
        io.output("relu", relu(x.clone()))?;
        io.output("leaky", leaky_relu(x.clone(), 0.1))?;
        io.output("gelu", gelu(x.clone()))?;
        io.output("gelu by tanh", gelu_approximate(x.clone()))?;
        io.output("sigmoid", sigmoid(x.clone() * 30))?;
        io.output("log sigmoid", log_sigmoid(x.clone() * 9))?;
        io.output("silu", silu(x.clone()))?;
        io.output("hard sigmoid", hard_sigmoid(x.clone() * 4, 1.0 / 6.0, 0.5))?;
        let swish = x.clone() * hard_sigmoid(x.clone() * 4, 1.0 / 6.0, 0.5);
        io.output("hard swish", swish)?;
        io.output("relu6", (x.clone() * 9).clamp(0.0, 6.0))?;
        io.output("tanh", tanh(x.clone() * 99))?;
        io.output("softplus", softplus(x.clone() * 30, 1.0))?;
        io.output("mish", mish(x))
    });
    // Each is one kernel, whatever Burn makes it of.
    assert_eq!(plan.steps.len(), 13, "{:?}", kernels(&plan));
}

#[test]
fn arithmetic_broadcasts_as_that_of_burn() {
    let shapes: &[(&str, &[usize])] = &[
        ("a", &[2, 6, 3, 4]),
        ("b", &[1, 6, 1, 1]),
        ("c", &[2, 1, 3, 1]),
    ];
    check_traced(
        shapes,
        &Target::webgpu(),
        |_| Nothing {},
        |_, io| {
            let a = io.input::<4>("a")?;
            let b = io.input::<4>("b")?;
            let c = io.input::<4>("c")?;
            io.output("sum", a.clone() + b.clone())?;
            io.output("difference", c.clone() - a.clone())?;
            io.output("product", a.clone() * b.clone() * c.clone())?;
            io.output("quotient", a.clone() / (b.clone() + 2))?;
            io.output("outer", b.clone() * c.clone())?;
            io.output("power", (a.clone() + 2).powf(b.clone()))?;
            io.output(
                "square",
                a.clone().powf_scalar(2.0) + a.clone().powi_scalar(3),
            )?;
            io.output("root", (a.clone() + 1.5).sqrt().recip())?;
            io.output(
                "where",
                a.clone().mask_where(
                    a.clone().greater(c.clone().expand([2, 6, 3, 4])),
                    b.clone().expand([2, 6, 3, 4]),
                ),
            )?;
            io.output("fill", a.clone().mask_fill(a.clone().lower_elem(0.0), 7.0))?;
            io.output("twice", a.clone() + a.clone())?;
            io.output("rest", (a.clone() * 5) % 3)?;
            io.output("signs", a.clone().sign() + a.clone().abs() - (-a).exp())
        },
    );
}

#[test]
fn constants_and_parameters_are_data() {
    #[derive(Module, Debug)]
    struct Own {
        scale: Param<Tensor<1>>,
        positions: Param<Tensor<3>>,
        linear: Linear,
    }
    let init = |device: &Device| Own {
        scale: Param::from_tensor(Tensor::ones([5], device)),
        positions: Param::from_tensor(Tensor::zeros([1, 3, 5], device)),
        linear: LinearConfig::new(5, 5).init(device),
    };
    check_traced(&[("x", &[2, 3, 5])], &Target::webgpu(), init, |own, io| {
        let x = io.input::<3>("x")?;
        let device = x.device();
        io.output("scaled", x.clone() * own.scale.val().unsqueeze())?;
        io.output("placed", x.clone() + own.positions.val())?;
        io.output("zeros", x.clone() + Tensor::zeros([2, 3, 5], &device))?;
        io.output("ones", x.clone() * Tensor::ones([1, 3, 1], &device))?;
        let literal = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0], &device);
        io.output("literal", x.clone() * literal.clone().reshape([1, 1, 5]))?;
        io.output("made", literal * 2)?;
        io.output("weights", own.linear.weight.val() * 2)?;
        io.output("given back", own.positions.val())?;
        let counted = Tensor::<1, burn::tensor::Int>::arange(0..5, &device);
        io.output("counted", x.clone() + counted.float().reshape([1, 1, 5]))?;
        io.output("x", x)
    });
}

/// More parts than a kernel binds.
#[test]
fn one_tensor_may_stand_beside_itself_many_times() {
    of_one([2, 3], |x, io| {
        io.output("nine", Tensor::cat(vec![x.clone(); 9], 1))?;
        let twice = x.clone() * 2;
        let parts = [x, twice].into_iter().cycle().take(17);
        io.output("by turns", Tensor::cat(parts.collect(), 0))
    });
}

#[test]
fn an_input_may_be_read_by_nothing() {
    let shapes: &[(&str, &[usize])] = &[("x", &[2, 3]), ("unread", &[1, 4, 2, 5]), ("given", &[3])];
    check_traced(
        shapes,
        &Target::webgpu(),
        |_| Nothing {},
        |_, io| {
            io.input::<4>("unread")?;
            let given = io.input::<1>("given")?;
            io.output("given", given)?;
            let x = io.input::<2>("x")?;
            io.output("twice", x * 2)
        },
    );
}

/// As wide as there are channels, but of the last dimension.
#[test]
fn a_row_is_no_bias_of_channels() {
    #[derive(Module, Debug)]
    struct Own {
        row: Param<Tensor<4>>,
        linear: Linear,
    }
    let init = |device: &Device| Own {
        row: Param::from_tensor(Tensor::zeros([1, 1, 1, 6], device)),
        linear: LinearConfig::new(6, 6).init(device),
    };
    check_traced(
        &[("x", &[1, 6, 5, 6])],
        &Target::webgpu(),
        init,
        |own, io| {
            let x = io.input::<4>("x")?;
            io.output("sum", relu(x.clone()) + own.row.val())?;
            io.output("linear", own.linear.forward(x))
        },
    );
}

#[test]
fn views_are_those_of_burn() {
    of_one([2, 6, 4, 5], |x, io| {
        io.output("permuted", x.clone().permute([2, 0, 3, 1]))?;
        io.output("swapped", x.clone().swap_dims(1, 3))?;
        io.output("flat", x.clone().reshape([12, 20]))?;
        io.output("other", x.clone().reshape([3, 4, 4, 5]) * 2)?;
        io.output("vector", x.clone().reshape([240]))?;
        io.output(
            "five",
            x.clone().reshape([2, 2, 3, 4, 5]).permute([0, 2, 1, 4, 3]),
        )?;
        io.output("slice", x.clone().slice([0..1, 2..6, 1..4, 0..5]))?;
        io.output(
            "step",
            x.clone().slice(burn::tensor::s![.., ..;2, .., 1..;3]),
        )?;
        io.output(
            "back",
            x.clone().slice(burn::tensor::s![.., ..;-1, .., ..;-2]),
        )?;
        io.output("flip", x.clone().flip([1, 3]))?;
        io.output(
            "padded",
            x.clone().pad([(1, 2), (0, 3)], PadMode::Constant(0.5)),
        )?;
        io.output(
            "mirrored",
            x.clone().pad([(1, 2), (0, 3)], PadMode::Reflect),
        )?;
        io.output("edges", x.clone().pad([(1, 2), (0, 3)], PadMode::Edge))?;
        io.output("repeated", x.clone().repeat(&[1, 2, 1, 3]))?;
        io.output(
            "expanded",
            x.clone().slice([0..2, 0..1]).expand([2, 7, 4, 5]),
        )?;
        io.output("rolled", x.clone().roll(&[1, -2], &[2, 3]))?;
        let halves = x.clone().chunk(2, 1);
        io.output("stacked", Tensor::cat(halves.clone(), 3))?;
        io.output(
            "again",
            Tensor::cat(vec![halves[1].clone(), x.clone(), halves[0].clone()], 1),
        )?;
        io.output(
            "assigned",
            x.clone().slice_assign(
                [0..1, 1..3, 0..4, 2..4],
                x.slice([0..1, 0..2, 0..4, 0..2]) + 9,
            ),
        )
    });
}

/// Channels that are repeated in the middle of a block.
#[test]
fn a_part_of_repeated_channels_is_that_of_burn() {
    of_one([1, 5, 1, 2], |x, io| {
        io.output("part", x.repeat_dim(1, 2).slice([0..1, 4..8]))
    });
}

#[test]
fn views_that_change_nothing_in_memory_are_no_steps() {
    let plan = of_one([1, 8, 4, 6], |x, io| {
        // A map with its channels last, and as rows.
        let last = x.clone().permute([0, 2, 3, 1]);
        io.output("last", last.clone())?;
        io.output("rows", last.reshape([24, 8]))?;
        io.output(
            "back",
            x.permute([0, 2, 3, 1])
                .reshape([24, 8])
                .reshape([1, 4, 6, 8])
                .permute([0, 3, 1, 2]),
        )
    });
    assert_eq!(plan.steps.len(), 0, "{:?}", kernels(&plan));
}

#[test]
fn a_chain_of_views_is_one_copy() {
    // Windows of a map that was shifted, and back again.
    let plan = of_one([1, 6, 6, 8], |x, io| {
        let shifted = x.roll(&[-1, -1], &[1, 2]);
        let windows = shifted
            .reshape([1, 2, 3, 2, 3, 8])
            .permute([0, 1, 3, 2, 4, 5]);
        io.output("windows", windows.clone().reshape([4, 9, 8]))?;
        let back = windows.permute([0, 1, 3, 2, 4, 5]).reshape([1, 6, 6, 8]);
        io.output("back", back.roll(&[1, 1], &[1, 2]))
    });
    assert!(plan.steps.len() <= 3, "{:?}", kernels(&plan));
}

#[test]
fn reductions_are_those_of_burn() {
    of_one([2, 7, 3, 5], |x, io| {
        for dim in 0..4 {
            io.output(&format!("mean {dim}"), x.clone().mean_dim(dim))?;
            io.output(&format!("sum {dim}"), x.clone().sum_dim(dim))?;
            io.output(&format!("largest {dim}"), x.clone().max_dim(dim))?;
            io.output(&format!("smallest {dim}"), x.clone().min_dim(dim))?;
            io.output(&format!("softmax {dim}"), softmax(x.clone(), dim))?;
            io.output(&format!("log softmax {dim}"), log_softmax(x.clone(), dim))?;
            io.output(&format!("softmin {dim}"), softmin(x.clone(), dim))?;
            io.output(&format!("variance {dim}"), x.clone().var(dim))?;
        }
        io.output("mean", x.clone().mean())?;
        io.output("sum", x.clone().sum())?;
        io.output("largest", x.clone().max())?;
        io.output("spaces", x.clone().mean_dim(2).mean_dim(3))?;
        io.output("product", x.prod_dim(1))
    });
}

#[test]
fn norms_are_those_of_burn() {
    #[derive(Module, Debug)]
    struct Norms {
        layer: LayerNorm,
        bare: LayerNorm,
        group: GroupNorm,
    }
    let init = |device: &Device| Norms {
        layer: LayerNormConfig::new(6).init(device),
        bare: LayerNormConfig::new(6).with_bias(false).init(device),
        group: GroupNormConfig::new(2, 4).init(device),
    };
    let shapes: &[(&str, &[usize])] = &[("rows", &[2, 3, 6]), ("map", &[2, 4, 3, 6])];
    check_traced(shapes, &Target::webgpu(), init, |norms, io| {
        let rows = io.input::<3>("rows")?;
        let map = io.input::<4>("map")?;
        io.output("layer", norms.layer.forward(rows.clone()))?;
        io.output("bare", norms.bare.forward(rows))?;
        io.output("of a map", norms.layer.forward(map.clone()))?;
        io.output("group", norms.group.forward(map))
    });
}

#[test]
fn products_are_those_of_burn() {
    #[derive(Module, Debug)]
    struct Products {
        linear: Linear,
        bare: Linear,
        matrix: Param<Tensor<2>>,
    }
    let init = |device: &Device| Products {
        linear: LinearConfig::new(6, 10).init(device),
        bare: LinearConfig::new(6, 3).with_bias(false).init(device),
        matrix: Param::from_tensor(Tensor::zeros([6, 4], device)),
    };
    let shapes: &[(&str, &[usize])] = &[
        ("a", &[2, 3, 5, 6]),
        ("b", &[2, 3, 6, 7]),
        ("one", &[1, 1, 6, 2]),
    ];
    let plan = check_traced(shapes, &Target::webgpu(), init, |own, io| {
        let a = io.input::<4>("a")?;
        let b = io.input::<4>("b")?;
        let one = io.input::<4>("one")?;
        io.output("batch", a.clone().matmul(b.clone()))?;
        io.output("transposed", b.transpose().matmul(a.clone().transpose()))?;
        io.output("one for all", a.clone().matmul(one))?;
        io.output("linear", own.linear.forward(a.clone()))?;
        io.output("bare", own.bare.forward(a.clone()))?;
        io.output("gelu", Gelu::new().forward(own.linear.forward(a.clone())))?;
        io.output("parameter", a.matmul(own.matrix.val().unsqueeze()))
    });
    let weights = plan
        .steps
        .iter()
        .filter(|step| step.shader.kernel.roles.contains(&Role::Weights));
    assert_eq!(weights.count(), 3);
}

#[test]
fn attention_is_that_of_burn() {
    use burn::tensor::module::attention;
    use burn::tensor::ops::AttentionModuleOptions;
    let shapes: &[(&str, &[usize])] = &[
        ("q", &[2, 2, 5, 4]),
        ("k", &[2, 2, 7, 4]),
        ("v", &[2, 2, 7, 3]),
    ];
    check_traced(
        shapes,
        &Target::webgpu(),
        |_| Nothing {},
        |_, io| {
            let q = io.input::<4>("q")?;
            let k = io.input::<4>("k")?;
            let v = io.input::<4>("v")?;
            let of = |options| attention(q.clone(), k.clone(), v.clone(), None, None, options);
            io.output("plain", of(AttentionModuleOptions::default()))?;
            io.output(
                "causal",
                of(AttentionModuleOptions {
                    is_causal: true,
                    ..Default::default()
                }),
            )?;
            io.output(
                "capped",
                of(AttentionModuleOptions {
                    softcap: Some(0.7),
                    scale: Some(2.0),
                    ..Default::default()
                }),
            )?;
            let scores = q.clone().matmul(k.clone().transpose());
            let mask = scores.clone().lower_elem(0.0);
            let options = AttentionModuleOptions::default();
            io.output(
                "masked",
                attention(
                    q.clone(),
                    k.clone(),
                    v.clone(),
                    Some(mask),
                    Some(scores),
                    options,
                ),
            )
        },
    );
}

#[test]
fn a_parametric_relu_and_a_batch_norm_of_sequences_are_those_of_burn() {
    use burn::nn::{BatchNorm, BatchNormConfig};
    #[derive(Module, Debug)]
    struct Own {
        slopes: Param<Tensor<1>>,
        norm: BatchNorm,
    }
    let init = |device: &Device| Own {
        slopes: Param::from_tensor(Tensor::ones([6], device)),
        norm: BatchNormConfig::new(6).init(device),
    };
    let shapes: &[(&str, &[usize])] = &[("x", &[2, 6, 5]), ("map", &[1, 6, 2, 3])];
    check_traced(shapes, &Target::webgpu(), init, |own, io| {
        let x = io.input::<3>("x")?;
        let map = io.input::<4>("map")?;
        io.output("prelu", prelu(x.clone(), own.slopes.val()))?;
        io.output("norm", own.norm.forward(x))?;
        io.output("map", prelu(own.norm.forward(map), own.slopes.val()))
    });
}

#[test]
fn transposed_convolutions_are_those_of_burn() {
    use burn::nn::conv::{ConvTranspose2d, ConvTranspose2dConfig};
    #[derive(Module, Debug)]
    struct Own {
        plain: ConvTranspose2d,
        wide: ConvTranspose2d,
        bare: ConvTranspose2d,
        uneven: ConvTranspose2d,
    }
    let config = |channels, kernel| ConvTranspose2dConfig::new(channels, kernel);
    let init = |device: &Device| Own {
        plain: config([5, 8], [2, 2]).with_stride([2, 2]).init(device),
        wide: config([5, 8], [4, 4])
            .with_stride([2, 2])
            .with_padding([1, 1])
            .init(device),
        bare: config([5, 3], [3, 3])
            .with_stride([2, 2])
            .with_padding([1, 1])
            .with_padding_out([1, 1])
            .with_bias(false)
            .init(device),
        uneven: config([5, 6], [3, 5]).with_stride([1, 3]).init(device),
    };
    let plan = check_traced(
        &[("x", &[2, 5, 3, 4])],
        &Target::webgpu(),
        init,
        |own, io| {
            let x = io.input::<4>("x")?;
            io.output("plain", relu(own.plain.forward(x.clone())))?;
            io.output("wide", own.wide.forward(x.clone()))?;
            io.output("bare", own.bare.forward(x.clone()))?;
            io.output("uneven", own.uneven.forward(x))
        },
    );
    assert_eq!(plan.steps.len(), 8, "{:?}", kernels(&plan));
}
