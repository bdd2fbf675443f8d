//! What chains are compared with their references over: the tensors that each was first made for.

use super::view::{Cut, Padding, View};
use super::{Arg, Chain, Function, Known, Read, Step, known, reference};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::{Dtypes, Kernel, Layout};

/// What WGSL lets adapters be off by in sine and cosine, <https://www.w3.org/TR/WGSL/#concrete-float-accuracy>.
const OF_SINES: f32 = 1.0 / 2048.0;

pub(super) fn checks(chain: &Chain) -> Checks {
    let has_sines = chain
        .steps
        .iter()
        .any(|step| matches!(step.function, Function::Sin | Function::Cos));
    Checks {
        reference: reference::run,
        cases,
        tolerance: if has_sines { OF_SINES } else { 1e-5 },
    }
}

/// A chain over random tensors that lie so.
pub fn case(chain: &Chain, inputs: &[Layout], output: &Layout, random: &mut Random) -> Case {
    let about = format!("{chain:?} of {inputs:?} to {output:?}");
    let dispatch = chain.dispatch(inputs, output, Dtypes::F32);
    let mut bindings: Vec<Vec<u32>> = inputs.iter().map(|input| random.tensor(input, 0)).collect();
    bindings.push(unwritten(output.all_blocks() * 4));
    Case::new(about, dispatch, bindings)
}

fn cases(kernel: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let Known { chain, layouts, .. } = known(kernel);
    vec![case(chain, &layouts.0, &layouts.1, random)]
}

/// Kernels of chains that stand for all: of every function, and of every way in which tensors are read.
pub(super) fn kernels() -> Vec<&'static Kernel> {
    let copies = views().into_iter().map(|(view, from, to)| {
        let source = layout(view.from(), from);
        let output = layout(view.shape(), to);
        (Chain::copy(view), vec![source], output)
    });
    let all = copies
        .chain(functions())
        .chain([broadcast(), side_by_side()]);
    let kernels = all.map(|(chain, inputs, output)| {
        let dispatch = chain.dispatch(&inputs, &output, Dtypes::F32);
        dispatch.shader.kernel
    });
    let mut kernels: Vec<&'static Kernel> = kernels.collect();
    kernels.sort_unstable();
    kernels.dedup();
    kernels
}

fn layout(shape: &[usize], inner: usize) -> Layout {
    Layout {
        shape: shape.to_vec(),
        inner,
    }
}

/// Views, and which dimension lies side by side before and after.
fn views() -> Vec<(View, usize, usize)> {
    let of = View::of;
    let cut = |start, step| Cut { start, step };
    let map = [1, 12, 6, 10];
    vec![
        // Blocks as they are, somewhere else.
        (of(&map).permute(vec![0, 1, 3, 2]), 1, 1),
        // Windows of 3 × 5 of a map.
        (
            of(&map)
                .reshape(vec![1, 12, 2, 3, 2, 5])
                .permute(vec![0, 2, 4, 3, 5, 1])
                .reshape(vec![4, 15, 12]),
            1,
            2,
        ),
        // Heads of four channels, and heads together again.
        (
            of(&[2, 5, 24])
                .reshape(vec![2, 5, 3, 2, 4])
                .permute(vec![2, 0, 3, 1, 4]),
            2,
            4,
        ),
        (
            of(&[2, 3, 5, 8])
                .permute(vec![0, 2, 1, 3])
                .reshape(vec![2, 5, 24]),
            3,
            2,
        ),
        // Channels that become pixels.
        (
            of(&[1, 12, 2, 3])
                .reshape(vec![1, 3, 2, 2, 2, 3])
                .permute(vec![0, 1, 4, 2, 5, 3])
                .reshape(vec![1, 3, 4, 6]),
            1,
            1,
        ),
        // Rows whose digits are none of the columns'.
        (of(&[4, 6]).permute(vec![1, 0]).reshape(vec![3, 8]), 1, 1),
        (of(&[5, 7, 3]), 2, 1),
        (
            of(&map).slice(
                vec![cut(0, 1), cut(4, 1), cut(5, -2), cut(1, 3)],
                vec![1, 7, 3, 3],
            ),
            1,
            1,
        ),
        (
            of(&[3, 10]).slice(vec![Cut::WHOLE, cut(9, -1)], vec![3, 10]),
            1,
            1,
        ),
        (
            of(&[1, 5, 4, 3]).pad(&[(0, 0), (1, 2), (1, 0), (0, 2)], Padding::Constant(0.5)),
            1,
            1,
        ),
        (
            of(&[1, 5, 4, 3]).pad(&[(0, 0), (0, 0), (2, 1), (1, 2)], Padding::Reflect),
            1,
            1,
        ),
        (
            of(&[1, 5, 4, 3]).pad(&[(0, 0), (2, 1), (3, 1), (0, 2)], Padding::Edge),
            1,
            1,
        ),
        (of(&[2, 3]).tile(vec![4, 9]), 1, 1),
        (of(&[2, 1, 3]).tile(vec![2, 5, 3]), 2, 2),
    ]
}

/// Sums of some functions of three tensors.
fn functions() -> Vec<(Chain, Vec<Layout>, Layout)> {
    let tensor = Layout::of(vec![2, 3, 7]);
    let chains = Function::ALL.chunks(4).map(|functions| {
        let mut steps: Vec<Step> = Vec::new();
        let mut sum = None;
        for (index, &function) in functions.iter().enumerate() {
            let mut first = Arg::Read(index % 3);
            // Of negative numbers WGSL lets them be anything.
            if matches!(function, Function::Log | Function::Sqrt | Function::Power) {
                steps.push(Step {
                    function: Function::Abs,
                    args: vec![first],
                });
                first = Arg::Step(steps.len() - 1);
            }
            let args = [first, Arg::Read((index + 1) % 3), Arg::Scalar(0.25)];
            steps.push(Step {
                function,
                args: args[..function.arity()].to_vec(),
            });
            let made = Arg::Step(steps.len() - 1);
            sum = Some(match sum {
                None => made,
                Some(sum) => {
                    steps.push(Step {
                        function: Function::Add,
                        args: vec![sum, made],
                    });
                    Arg::Step(steps.len() - 1)
                }
            });
        }
        let view = View::of(&tensor.shape);
        let reads = (0..3).map(|input| Read {
            input,
            view: view.clone(),
        });
        Chain {
            reads: reads.collect(),
            steps,
        }
    });
    let inputs = vec![tensor.clone(); 3];
    chains
        .map(|chain| (chain, inputs.clone(), tensor.clone()))
        .collect()
}

/// A map, a value a channel, and a value a pixel.
fn broadcast() -> (Chain, Vec<Layout>, Layout) {
    let shape = [2, 6, 3, 4];
    let views = [&[6, 1, 1][..], &[1, 1, 3, 4]].map(|small| View::of(small).expand(&shape));
    let reads = [View::of(&shape)].into_iter().chain(views).enumerate();
    let chain = Chain {
        reads: reads.map(|(input, view)| Read { input, view }).collect(),
        steps: vec![
            Step {
                function: Function::Mul,
                args: vec![Arg::Read(0), Arg::Read(1)],
            },
            Step {
                function: Function::Add,
                args: vec![Arg::Step(0), Arg::Read(2)],
            },
        ],
    };
    let inputs = vec![
        Layout::of(shape.to_vec()),
        layout(&[6, 1, 1], 0),
        Layout::of(vec![1, 1, 3, 4]),
    ];
    (chain, inputs, Layout::of(shape.to_vec()))
}

/// Three channels beside two.
fn side_by_side() -> (Chain, Vec<Layout>, Layout) {
    let zeros = Padding::Constant(0.0);
    let pads = [(3, (0, 2)), (2, (3, 0))];
    let views = pads.map(|(channels, pad)| {
        let around = [(0, 0), pad, (0, 0), (0, 0)];
        View::of(&[1, channels, 2, 5]).pad(&around, zeros)
    });
    let chain = Chain::function(
        Function::Add,
        vec![Arg::Read(0), Arg::Read(1)],
        views.to_vec(),
    );
    let inputs = [3, 2].map(|channels| Layout::of(vec![1, channels, 2, 5]));
    (chain, inputs.to_vec(), Layout::of(vec![1, 5, 2, 5]))
}
