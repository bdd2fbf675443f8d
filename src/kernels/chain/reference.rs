//! CPU reference of the kernels whose text `text.rs` makes: the same steps, with numbers taken from the
//! parameters in the order in which the text names them.

use std::array::from_fn;

use super::index::{CHANNEL, Coordinate, Index, Mode, PIXEL, Rule};
use super::{Arg, Padding, known};
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// The numbers that a text names, one after the other.
struct Words<'a>(std::slice::Iter<'a, u32>);

impl Words<'_> {
    fn next(&mut self) -> u32 {
        *self.0.next().expect("there is a number for each name")
    }

    fn float(&mut self) -> f32 {
        f32::from_bits(self.next())
    }
}

/// - all buffers: `[pixel][block]`.
pub(super) fn run(call: Call<'_>) {
    let known = known(call.kernel);
    let (chain, indices) = (&known.chain, &known.indices);
    let [count, blocks, channels, _, ref words @ ..] = *call.words() else {
        panic!("a chain has four parameters at least")
    };
    let (result, inputs) = call
        .bindings
        .split_last_mut()
        .expect("a chain has a result");
    let inputs: Vec<&[Vec4]> = inputs.iter().map(|words| vec4(words)).collect();
    let result = vec4_mut(result);
    for block in 0..count {
        let mut words = Words(words.iter());
        let reads = indices.iter().zip(&chain.reads);
        let reads: Vec<Vec4> = reads
            .map(|(index, read)| block_of(index, inputs[read.input], block, &mut words))
            .collect();
        let mut steps: Vec<Vec4> = Vec::with_capacity(chain.steps.len());
        for step in &chain.steps {
            let mut args = [[0.0; 4]; 3];
            for (place, arg) in args.iter_mut().zip(&step.args) {
                *place = match arg {
                    Arg::Read(read) => reads[*read],
                    Arg::Step(step) => steps[*step],
                    Arg::Scalar(_) => [words.float(); 4],
                };
            }
            steps.push(from_fn(|c| step.function.apply(args.map(|arg| arg[c]))));
        }
        let value = steps.last().unwrap_or(&reads[0]);
        let first = block % blocks * 4;
        result[block as usize] = from_fn(|c| match first + (c as u32) < channels {
            true => value[c],
            false => 0.0,
        });
    }
}

/// What belongs to a block of the result.
fn block_of(index: &Index, input: &[Vec4], block: u32, words: &mut Words<'_>) -> Vec4 {
    if index.mode == Mode::Same {
        return input[block as usize];
    }
    // The text names what a block begins with after what is done with it.
    let start = words.0.clone();
    let skipped = numbers(index);
    words.0.nth(skipped - 1);
    let out_blocks = words.next();
    let (pixel, channel) = (block / out_blocks, block % out_blocks * 4);
    let lane = |channel: u32| at(index, input, [pixel, channel], Words(start.clone()));
    match index.mode {
        Mode::Lanes => {
            let last = words.next();
            from_fn(|c| {
                let (found, lane) = lane((channel + c as u32).min(last));
                found[lane]
            })
        }
        Mode::Splat => {
            let (found, lane) = lane(channel);
            [found[lane]; 4]
        }
        _ => lane(channel).0,
    }
}

/// The block that is found for a pixel and channel of the result, and which of its lanes.
fn at(index: &Index, input: &[Vec4], place: [u32; 2], mut words: Words<'_>) -> (Vec4, usize) {
    let mut registers = vec![0; 2];
    registers[PIXEL] = place[0];
    registers[CHANNEL] = place[1];
    for (rule, of) in &index.registers {
        let coordinate = coordinate(of, &registers, &mut words);
        registers.push(match rule {
            Rule::Plain => coordinate,
            Rule::Cut(_) => {
                let (start, step) = (words.next(), words.next());
                start.wrapping_add(step.wrapping_mul(coordinate))
            }
            Rule::Repeat(_) => coordinate % words.next(),
            Rule::Pad { padding, .. } => {
                let before = words.next();
                let shifted = coordinate as i32 - before as i32;
                match padding {
                    Padding::Constant(_) => {
                        let (extent, value) = (words.next(), words.float());
                        if shifted < 0 || shifted as u32 >= extent {
                            return ([value; 4], 0);
                        }
                        shifted as u32
                    }
                    Padding::Edge => shifted.clamp(0, words.next() as i32) as u32,
                    Padding::Reflect => {
                        let last = words.next() as i32;
                        (last - (last - shifted.abs()).abs()) as u32
                    }
                }
            }
        });
    }
    let pixel = coordinate(&index.pixel, &registers, &mut words);
    let channel = coordinate(&index.channel, &registers, &mut words);
    let blocks = words.next();
    let block = pixel * blocks + channel / 4;
    (input[block as usize], channel as usize % 4)
}

fn coordinate(digits: &Coordinate, registers: &[u32], words: &mut Words<'_>) -> u32 {
    let mut weight: usize = digits.iter().map(|digit| digit.extent).product();
    let mut sum = 0;
    for digit in digits {
        weight /= digit.extent;
        let mut value = registers[digit.register];
        if digit.divisor != 1 {
            value /= words.next();
        }
        if !digit.is_top {
            value %= words.next();
        }
        if weight != 1 {
            value *= words.next();
        }
        sum += value;
    }
    sum
}

/// How many numbers it takes to find a block.
fn numbers(index: &Index) -> usize {
    let of = |digits: &Coordinate| {
        let mut weight: usize = digits.iter().map(|digit| digit.extent).product();
        let named = digits.iter().map(|digit| {
            weight /= digit.extent;
            usize::from(digit.divisor != 1) + usize::from(!digit.is_top) + usize::from(weight != 1)
        });
        named.sum::<usize>()
    };
    let registers = index.registers.iter().map(|(rule, digits)| {
        let own = match rule {
            Rule::Plain => 0,
            Rule::Repeat(_) => 1,
            Rule::Cut(_) => 2,
            Rule::Pad {
                padding: Padding::Constant(_),
                ..
            } => 3,
            Rule::Pad { .. } => 2,
        };
        own + of(digits)
    });
    registers.sum::<usize>() + of(&index.pixel) + of(&index.channel) + 1
}
