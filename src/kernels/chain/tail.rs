//! Chains at the end of other kernels: what follows a convolution's sums before they are stored.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use super::function::Syntax;
use super::text::call;
use super::{Arg, Chain};
#[cfg(feature = "verify")]
use crate::kernels::Dtypes;
use crate::kernels::Kernel;
#[cfg(feature = "verify")]
use crate::kernels::checks::{Call, Case, Checks, Random, UNWRITTEN};

/// Steps of a chain that goes to the end of a kernel, at most: they stand there as often as it stores.
const MOST_STEPS: usize = 12;

impl Chain {
    /// Whether it can follow a kernel's sums: it computes with nothing else, and leaves zeros where channels
    /// only fill a block up.
    pub fn is_tail(&self, channels: usize) -> bool {
        let numbers = self.steps.iter().flat_map(|step| &step.args);
        let mut numbers = numbers.filter_map(|arg| match arg {
            Arg::Scalar(value) => Some(*value),
            _ => None,
        });
        !self.is_copy()
            && self.inputs() == 1
            && self.steps.len() <= MOST_STEPS
            && self.reads.iter().all(|read| read.view.is_identity())
            && numbers.all(f32::is_finite)
            && (channels.is_multiple_of(4) || self.apply(&vec![0.0; self.reads.len()]) == 0.0)
    }
}

/// A kernel, and what follows its sums.
struct Tailed {
    kernel: &'static Kernel,
    base: &'static Kernel,
    tail: Chain,
}

/// The kernels made so far, by their names.
static KERNELS: LazyLock<Mutex<BTreeMap<String, &'static Tailed>>> = LazyLock::new(Mutex::default);

/// A kernel with a tail, made when it is first asked for.
pub fn with_tail(base: &'static Kernel, tail: &Chain) -> &'static Kernel {
    let text = override_of(tail);
    let name = format!("{}, {tail} {:08x}", base.name, super::hash(&text));
    let mut kernels = KERNELS.lock().expect("no panic holds the lock");
    if let Some(known) = kernels.get(&name) {
        return known.kernel;
    }
    let kernel: &'static Kernel = Box::leak(Box::new(Kernel {
        name: Cow::Owned(name.clone()),
        file: base.file,
        text: Box::leak(format!("{}\n{text}", base.text).into_boxed_str()),
        defs: base.defs.clone(),
        params: base.params,
        roles: base.roles.clone(),
        dtypes: base.dtypes,
        needs_subgroups: base.needs_subgroups,
        #[cfg(feature = "verify")]
        checks: Checks {
            reference: run,
            cases,
            tolerance: base.checks.tolerance,
        },
    }));
    let known = Box::leak(Box::new(Tailed {
        kernel,
        base,
        tail: tail.clone(),
    }));
    kernels.insert(name, known);
    kernel
}

/// The kernel without its tail.
pub fn without_tail(kernel: &'static Kernel) -> &'static Kernel {
    tailed(kernel).map_or(kernel, |tailed| tailed.base)
}

/// Other kernels with the tail that `kernel` has, if it has one.
pub fn with_tail_of(base: &'static Kernel, kernel: &'static Kernel) -> &'static Kernel {
    match tailed(kernel) {
        Some(tailed) => with_tail(base, &tailed.tail),
        None => base,
    }
}

fn tailed(kernel: &Kernel) -> Option<&'static Tailed> {
    let kernels = KERNELS.lock().expect("no panic holds the lock");
    kernels.get(&*kernel.name).copied()
}

/// What takes the place of the function that changes nothing.
fn override_of(tail: &Chain) -> String {
    let argument = |arg: &Arg| match arg {
        Arg::Read(_) => "value".to_owned(),
        Arg::Step(step) => format!("step{step}"),
        Arg::Scalar(number) => format!("vec4<f32>({number:?})"),
    };
    let mut names = Vec::new();
    let mut body = String::new();
    for (index, step) in tail.steps.iter().enumerate() {
        if let Syntax::Own(name) = step.function.syntax()
            && !names.contains(&name)
        {
            names.push(name);
        }
        let args: Vec<String> = step.args.iter().map(argument).collect();
        body += &format!("    let step{index} = {};\n", call(step.function, &args));
    }
    let imports = match names.is_empty() {
        true => String::new(),
        false => format!("#import fpn::functions::{{{}}}\n", names.join(", ")),
    };
    let last = tail.steps.len() - 1;
    format!(
        "{imports}\noverride fn fpn::conv::finish(value: vec4<f32>) -> vec4<f32> {{\n{body}    return step{last};\n}}\n"
    )
}

/// CPU reference: that of the kernel without a tail, and then the tail over what it wrote, which may be some of
/// the pixels or channels only.
#[cfg(feature = "verify")]
fn run(call: Call<'_>) {
    let tailed = tailed(call.kernel).expect("the kernel has a tail");
    let roles = tailed.base.roles.iter();
    let result = roles.zip(0..).find(|(role, _)| role.is_written());
    let (_, result) = result.expect("it writes");
    let mut bindings = call.bindings.to_vec();
    let before = bindings[result].clone();
    bindings[result].fill(UNWRITTEN);
    tailed
        .base
        .shader(Dtypes::F32)
        .run_reference(call.words(), call.workgroups, &mut bindings);
    for (word, before) in bindings[result].iter_mut().zip(before) {
        *word = match *word {
            UNWRITTEN => before,
            word => {
                let reads = vec![f32::from_bits(word); tailed.tail.reads.len()];
                tailed.tail.apply(&reads).to_bits()
            }
        };
    }
    call.bindings.clone_from_slice(&bindings);
}

#[cfg(feature = "verify")]
fn cases(kernel: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let tailed = tailed(kernel).expect("the kernel has a tail");
    let mut cases = (tailed.base.checks.cases)(tailed.base, random);
    for case in &mut cases {
        case.dispatch.shader.kernel = kernel;
    }
    cases
}
