//! Chains of element-wise operations over tensors that are read through [views](View): a kernel for each, whose
//! text is made here. One without operations is a copy: of a tensor reshaped, permuted, cut, padded, or of
//! several side by side.

mod function;
mod index;
mod steps;
mod tail;
mod text;
mod view;

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{LazyLock, Mutex};

#[cfg(feature = "verify")]
pub use checks::case;
pub use function::Function;
pub use steps::{normalize, step, sums};
pub use tail::{with_tail, with_tail_of, without_tail};
pub use view::{Cut, Padding, View};

use self::index::Index;
use super::kernel::workgroups;
use super::params::Field;
use super::{Dispatch, Dtypes, Kernel, Layout, Role};

/// Most tensors that a chain reads: with what it makes, as many as WebGPU lets a kernel bind.
pub const MOST_INPUTS: usize = 7;

/// What chains exist in.
pub const DTYPES: &[Dtypes] = Dtypes::MAPS_AND_HEADS;

/// An element-wise computation.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// What it reads, each of the shape that it makes.
    pub reads: Vec<Read>,
    /// What it computes, in order: the last is what it makes; without any, the first of what it reads.
    pub steps: Vec<Step>,
}

/// An input seen through a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Which of the inputs.
    pub input: usize,
    /// How it is seen.
    pub view: View,
}

/// A function of what was read or computed before.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which.
    pub function: Function,
    /// As many as it takes.
    pub args: Vec<Arg>,
}

/// What a function is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// What is read, by index.
    Read(usize),
    /// What a step before it made.
    Step(usize),
    /// A number.
    Scalar(f32),
}

impl Chain {
    /// A copy of one input, seen otherwise.
    pub fn copy(view: View) -> Self {
        Self {
            reads: vec![Read { input: 0, view }],
            steps: Vec::new(),
        }
    }

    /// A function of inputs of one shape, and numbers; `Arg::Read(k)` is input `k`.
    pub fn function(function: Function, args: Vec<Arg>, views: Vec<View>) -> Self {
        let reads = views.into_iter().enumerate();
        Self {
            reads: reads.map(|(input, view)| Read { input, view }).collect(),
            steps: vec![Step { function, args }],
        }
    }

    /// Shape of what it makes.
    pub fn shape(&self) -> &[usize] {
        self.reads[0].view.shape()
    }

    /// Whether it computes nothing.
    pub fn is_copy(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many inputs it has.
    pub fn inputs(&self) -> usize {
        let inputs = self.reads.iter().map(|read| read.input + 1);
        inputs.max().unwrap_or(0)
    }

    /// What it makes of one place of everything it reads.
    pub fn apply(&self, read: &[f32]) -> f32 {
        let mut made: Vec<f32> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let mut args = [0.0; 3];
            for (place, arg) in args.iter_mut().zip(&step.args) {
                *place = match *arg {
                    Arg::Read(index) => read[index],
                    Arg::Step(index) => made[index],
                    Arg::Scalar(value) => value,
                };
            }
            made.push(step.function.apply(args));
        }
        made.last().copied().unwrap_or(read[0])
    }

    /// How each input is found.
    fn indices(&self, inputs: &[Layout], output: &Layout) -> Vec<Index> {
        let reads = self.reads.iter();
        let index = |read: &Read| Index::new(&read.view, &inputs[read.input], output);
        reads.map(index).collect()
    }

    /// Whether what it makes lies in memory as its only input does, which it changes nothing of.
    pub fn is_free(&self, inputs: &[Layout], output: &Layout) -> bool {
        match (&self.reads[..], self.is_copy()) {
            ([read], true) => {
                let source = &inputs[read.input];
                Index::new(&read.view, source, output).is_free(source, output)
            }
            _ => false,
        }
    }

    /// How much it costs to read all of it, if what it makes lies so: values that are looked at one by one
    /// weigh most.
    pub fn cost(&self, inputs: &[Layout], output: &Layout) -> usize {
        let weight = |index: &Index| match index.mode {
            index::Mode::Same => 1,
            index::Mode::Block | index::Mode::Splat => 2,
            index::Mode::Lanes => 8,
        };
        let reads: usize = self.indices(inputs, output).iter().map(weight).sum();
        (reads + 1) * output.all_blocks()
    }

    /// An invocation makes a channel block of one pixel. Binds the inputs in order, then the result.
    pub fn dispatch(&self, inputs: &[Layout], output: &Layout, dtypes: Dtypes) -> Dispatch {
        let indices = self.indices(inputs, output);
        let (text, words) = text::write(self, &indices);
        let mut params = vec![
            output.all_blocks() as u32,
            output.blocks() as u32,
            output.channels() as u32,
            0,
        ];
        params.extend(words);
        let known = Known {
            chain: self.clone(),
            indices,
            layouts: (inputs.to_vec(), output.clone()),
        };
        let shader = kernel(text, known).shader(dtypes);
        Dispatch::of_words(shader, params, workgroups(output.all_blocks()))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps.len() {
            0 => f.write_str("copy"),
            steps => text::describe(self, Arg::Step(steps - 1), f),
        }
    }
}

/// What a kernel was first made for: others that share it differ in numbers only.
#[cfg_attr(not(feature = "verify"), expect(dead_code))]
struct Known {
    chain: Chain,
    indices: Vec<Index>,
    layouts: (Vec<Layout>, Layout),
}

/// The kernels made so far, by their texts: as many as there are different chains in a program's models.
static KERNELS: LazyLock<Mutex<BTreeMap<String, (&'static Kernel, &'static Known)>>> =
    LazyLock::new(Mutex::default);

/// The kernel of a text, made when it is first asked for.
fn kernel(text: String, known: Known) -> &'static Kernel {
    let mut kernels = KERNELS.lock().expect("no panic holds the lock");
    if let Some((kernel, _)) = kernels.get(&text) {
        return kernel;
    }
    let mut name = format!("{} {:08x}", known.chain, hash(&text));
    while kernels.values().any(|(other, _)| other.name == name) {
        name.push('\'');
    }
    let kernel: &'static Kernel = Box::leak(Box::new(record(name, &text, &known.chain)));
    kernels.insert(text, (kernel, Box::leak(Box::new(known))));
    kernel
}

/// What a kernel was made for.
#[cfg(feature = "verify")]
fn known(kernel: &Kernel) -> &'static Known {
    let kernels = KERNELS.lock().expect("no panic holds the lock");
    let mut all = kernels.values();
    let found = all.find(|(own, _)| *own == kernel);
    found.expect("the kernel is a chain's").1
}

fn record(name: String, text: &str, chain: &Chain) -> Kernel {
    let words = text::vectors(text);
    let fields: [Field; 5] = [
        ("count", 0, 4),
        ("blocks", 4, 4),
        ("channels", 8, 4),
        ("unused", 12, 4),
        ("words", 16, 16 * words),
    ];
    let mut kernel = Kernel::new(
        "",
        ("chain.wgsl", Box::leak(text.to_owned().into_boxed_str())),
        Box::leak(Box::new(fields)),
        &[],
        #[cfg(feature = "verify")]
        checks::checks(chain),
    )
    .with_dtypes(DTYPES);
    kernel.name = Cow::Owned(name);
    let roles = std::iter::repeat_n(Role::MapIn, chain.inputs());
    kernel.roles = Cow::Owned(roles.chain([Role::MapOut]).collect());
    kernel
}

/// The same in every process.
fn hash(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

/// Kernels of some chains, which stand for all.
pub fn kernels() -> Vec<&'static Kernel> {
    #[cfg(feature = "verify")]
    return checks::kernels();
    #[cfg(not(feature = "verify"))]
    Vec::new()
}
