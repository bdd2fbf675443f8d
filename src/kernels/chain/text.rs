//! A chain's WGSL. Sizes and numbers are in its parameters, in the order in which the text names them, so that
//! chains that differ only in them are one kernel.

use std::fmt::{self, Write};

use super::function::Syntax;
use super::index::{CHANNEL, Coordinate, Digit, Index, Mode, PIXEL, Rule};
use super::{Arg, Chain, Function, Padding};

/// The numbers that a text names.
#[derive(Default)]
struct Words(Vec<u32>);

impl Words {
    /// A number's name in the text.
    fn name(&mut self, number: usize) -> String {
        self.word(number as u32)
    }

    fn word(&mut self, word: u32) -> String {
        let (vector, lane) = (self.0.len() / 4, self.0.len() % 4);
        self.0.push(word);
        format!("params.words[{vector}].{}", ["x", "y", "z", "w"][lane])
    }

    fn float(&mut self, value: f32) -> String {
        format!("bitcast<f32>({})", self.word(value.to_bits()))
    }
}

/// The text, and the numbers that it names.
pub(super) fn write(chain: &Chain, indices: &[Index]) -> (String, Vec<u32>) {
    let mut words = Words::default();
    let mut body = String::new();
    for (read, index) in indices.iter().enumerate() {
        body.push_str(&reader(read, chain.reads[read].input, index, &mut words));
    }
    let mut main = String::new();
    for (read, _) in indices.iter().enumerate() {
        line(&mut main, &format!("let read{read} = read_{read}(index);"));
    }
    for (step, made) in chain.steps.iter().enumerate() {
        let args = made.args.iter().map(|arg| argument(*arg, &mut words));
        let value = call(made.function, &args.collect::<Vec<_>>());
        line(&mut main, &format!("let step{step} = {value};"));
    }
    let value = match chain.steps.len() {
        0 => "read0".to_owned(),
        steps => format!("step{}", steps - 1),
    };
    words.0.resize(words.0.len().max(1).next_multiple_of(4), 0);
    let inputs: String = (0..chain.inputs())
        .map(|input| {
            format!(
                "@group(0) @binding({}) var<storage, read_write> input{input}: array<Stored>;\n",
                input + 1
            )
        })
        .collect();
    let text = format!(
        "// {chain}

struct Params {{
    count: u32, // channel blocks of the result
    blocks: u32, // of one of its pixels
    channels: u32, // of one of its pixels
    unused: u32,
    words: array<vec4<u32>, {}>,
}}

#import fpn::dtype::{{Stored, Result, packed, unpacked}}
{}
@group(0) @binding(0) var<uniform> params: Params;
{inputs}@group(0) @binding({}) var<storage, read_write> result: array<Result>;
{body}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {{
    let index = id.x + id.y * workgroups.x * 64u;
    if index >= params.count {{
        return;
    }}
{main}    let channel = index % params.blocks * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    // Channels that only fill a block up are zeros.
    result[index] = packed(select(vec4<f32>(), {value}, channel < vec4<u32>(params.channels)));
}}
",
        words.0.len() / 4,
        imports(chain),
        chain.inputs() + 1,
    );
    (text, words.0)
}

/// How many vectors of numbers a text has.
pub(super) fn vectors(text: &str) -> usize {
    let (_, rest) = text
        .split_once("words: array<vec4<u32>, ")
        .expect("every text has numbers");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number of vectors")
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "    {line}").expect("a string can be written to");
}

fn imports(chain: &Chain) -> String {
    let names = chain
        .steps
        .iter()
        .filter_map(|step| match step.function.syntax() {
            Syntax::Own(name) => Some(name),
            _ => None,
        });
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    match names.is_empty() {
        true => String::new(),
        false => format!("#import fpn::functions::{{{}}}\n", names.join(", ")),
    }
}

fn argument(arg: Arg, words: &mut Words) -> String {
    match arg {
        Arg::Read(read) => format!("read{read}"),
        Arg::Step(step) => format!("step{step}"),
        Arg::Scalar(value) => format!("vec4<f32>({})", words.float(value)),
    }
}

/// A function of arguments, in WGSL.
pub(super) fn call(function: Function, args: &[String]) -> String {
    match function.syntax() {
        Syntax::Operator(sign) => format!("{} {sign} {}", args[0], args[1]),
        Syntax::Prefix(sign) => format!("{sign}{}", args[0]),
        Syntax::Builtin(name) | Syntax::Own(name) => format!("{name}({})", args.join(", ")),
    }
}

/// The expression for people: inputs are letters.
pub(super) fn describe(chain: &Chain, arg: Arg, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match arg {
        Arg::Read(read) => {
            let letter = char::from(b'a' + chain.reads[read].input as u8);
            f.write_char(letter)
        }
        Arg::Scalar(_) => f.write_char('#'),
        Arg::Step(step) => {
            let step = &chain.steps[step];
            let name = format!("{:?}", step.function).to_lowercase();
            write!(f, "{name}(")?;
            for (index, arg) in step.args.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                describe(chain, *arg, f)?;
            }
            f.write_char(')')
        }
    }
}

/// The function that reads what belongs to a block of the result.
fn reader(read: usize, input: usize, index: &Index, words: &mut Words) -> String {
    if index.mode == Mode::Same {
        return format!(
            "\nfn read_{read}(index: u32) -> vec4<f32> {{\n    return unpacked(input{input}[index]);\n}}\n"
        );
    }
    let is_lane = index.mode == Mode::Lanes;
    let (name, result) = match is_lane {
        true => (format!("lane_{read}"), "f32"),
        false => (format!("block_{read}"), "vec4<f32>"),
    };
    let mut text = format!("\nfn {name}(r{PIXEL}: u32, r{CHANNEL}: u32) -> {result} {{\n");
    for (register, (rule, of)) in (2..).zip(&index.registers) {
        let coordinate = coordinate(of, words);
        match rule {
            Rule::Plain => line(&mut text, &format!("let r{register} = {coordinate};")),
            Rule::Cut(cut) => {
                let start = words.name(cut.start);
                // Wraps around where it goes backwards.
                let step = words.word(cut.step as u32);
                line(
                    &mut text,
                    &format!("let r{register} = {start} + {step} * ({coordinate});"),
                );
            }
            Rule::Repeat(extent) => {
                let extent = words.name(*extent);
                line(
                    &mut text,
                    &format!("let r{register} = ({coordinate}) % {extent};"),
                );
            }
            Rule::Pad {
                before,
                extent,
                padding,
            } => pad(
                &mut text,
                register,
                &coordinate,
                [*before, *extent],
                (*padding, result),
                words,
            ),
        }
    }
    let pixel = coordinate(&index.pixel, words);
    let channel = coordinate(&index.channel, words);
    let blocks = words.name(index.blocks);
    line(&mut text, &format!("let channel = {channel};"));
    line(
        &mut text,
        &format!("let block = unpacked(input{input}[({pixel}) * {blocks} + channel / 4u]);"),
    );
    line(
        &mut text,
        match index.mode {
            Mode::Lanes => "return block[channel % 4u];",
            Mode::Splat => "return vec4<f32>(block[channel % 4u]);",
            _ => "return block;",
        },
    );
    text.push_str("}\n");
    let out_blocks = words.name(index.out_blocks);
    write!(text, "\nfn read_{read}(index: u32) -> vec4<f32> {{\n")
        .expect("a string can be written to");
    line(&mut text, &format!("let pixel = index / {out_blocks};"));
    line(
        &mut text,
        &format!("let channel = index % {out_blocks} * 4u;"),
    );
    match is_lane {
        true => {
            // Channels that only fill a block up are looked for where the last one is.
            let last = words.name(index.channels - 1);
            let lane = |lane: u32| format!("{name}(pixel, min(channel + {lane}u, {last}))");
            let lanes = [0, 1, 2, 3].map(lane).join(", ");
            line(&mut text, &format!("return vec4<f32>({lanes});"));
        }
        false => line(&mut text, &format!("return {name}(pixel, channel);")),
    }
    text.push_str("}\n");
    text
}

/// A register of a coordinate that may be outside.
fn pad(
    text: &mut String,
    register: usize,
    coordinate: &str,
    [before, extent]: [usize; 2],
    (padding, result): (Padding, &str),
    words: &mut Words,
) {
    let before = words.name(before);
    match padding {
        Padding::Constant(value) => {
            let extent = words.name(extent);
            let value = words.float(value);
            line(text, &format!("let r{register} = {coordinate} - {before};"));
            // What is before wraps around.
            line(text, &format!("if r{register} >= {extent} {{"));
            line(text, &format!("    return {result}({value});"));
            line(text, "}");
        }
        Padding::Edge => {
            let last = words.name(extent - 1);
            let shifted = format!("i32({coordinate}) - i32({before})");
            line(
                text,
                &format!("let r{register} = u32(clamp({shifted}, 0, i32({last})));"),
            );
        }
        Padding::Reflect => {
            let last = words.name(extent - 1);
            let shifted = format!("abs(i32({coordinate}) - i32({before}))");
            line(
                text,
                &format!("let r{register} = {last} - u32(abs(i32({last}) - {shifted}));"),
            );
        }
    }
}

fn coordinate(digits: &Coordinate, words: &mut Words) -> String {
    if digits.is_empty() {
        return "0u".to_owned();
    }
    let mut weight: usize = digits.iter().map(|digit| digit.extent).product();
    let terms = digits.iter().map(|digit| {
        weight /= digit.extent;
        let digit = value_of(digit, words);
        match weight {
            1 => digit,
            _ => format!("{digit} * {}", words.name(weight)),
        }
    });
    terms.collect::<Vec<_>>().join(" + ")
}

fn value_of(digit: &Digit, words: &mut Words) -> String {
    let mut text = format!("r{}", digit.register);
    if digit.divisor != 1 {
        text = format!("{text} / {}", words.name(digit.divisor));
    }
    if !digit.is_top {
        text = format!("{text} % {}", words.name(digit.extent));
    }
    text
}
