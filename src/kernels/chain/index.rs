//! Where a chain's invocation finds what it reads: from a channel block of the output, through a view, to the
//! memory of an input.
//!
//! A coordinate is a number of mixed radix, whose digits are cut out of registers: the output's pixel and
//! channel at first. A reshape only distributes digits anew, a permutation moves coordinates; only what is no
//! such thing (a cut, a pad, digits that do not divide) is computed into a register of its own. A view that
//! changes nothing in memory thus comes to the output's own pixel and channel.

use super::view::{Cut, Padding, View, ViewStep};
use crate::kernels::Layout;

/// Register of the output's pixel.
pub(super) const PIXEL: usize = 0;
/// Register of the output's channel.
pub(super) const CHANNEL: usize = 1;

/// A digit: `register / divisor % extent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digit {
    pub register: usize,
    pub divisor: usize,
    pub extent: usize,
    /// Whether nothing is left of the register above it.
    pub is_top: bool,
}

/// Digits, the most significant first.
pub(super) type Coordinate = Vec<Digit>;

/// How a register is computed of a coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// As it is.
    Plain,
    /// `start + step · c`.
    Cut(Cut),
    /// `c % extent`.
    Repeat(usize),
    /// `c - before`, if that is below the extent; what is outside is something else.
    Pad {
        before: usize,
        extent: usize,
        padding: Padding,
    },
}

/// How the channels of a block are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Mode {
    /// The block is where the output's is.
    Same,
    /// They are a block of the input.
    Block,
    /// All four are one value.
    Splat,
    /// Each is somewhere else.
    Lanes,
}

/// How an input is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    pub mode: Mode,
    /// Channel blocks of a pixel of the output, as this input counts them.
    pub out_blocks: usize,
    /// Registers beyond the first two, in the order in which they are computed.
    pub registers: Vec<(Rule, Coordinate)>,
    /// Pixel of the input.
    pub pixel: Coordinate,
    /// Channel of the input.
    pub channel: Coordinate,
    /// Channel blocks of a pixel of the input.
    pub blocks: usize,
    /// Channels of the output, where they are looked at one by one.
    pub channels: usize,
}

impl Index {
    /// Of a tensor that lies as `source` says, seen through a view by whoever makes `output`.
    ///
    /// # Panics
    /// If the view is of another shape, or shows another.
    pub fn new(view: &View, source: &Layout, output: &Layout) -> Self {
        let index = Self::found(view, source, output);
        // What is a block to the input may be a part of the output's channels, or several of them.
        let parts = match index.channel.last() {
            Some(low) if low.register == CHANNEL && low.divisor == 1 => low.extent,
            _ => return index,
        };
        let channels = output.channels();
        if parts == channels || !parts.is_multiple_of(4) || !channels.is_multiple_of(4) {
            return index;
        }
        let mut shape = output.shape.clone();
        shape.splice(output.inner..=output.inner, [channels / parts, parts]);
        // Between the split dimension's halves lies nothing: memory is the same.
        let split = Layout {
            shape: shape.clone(),
            inner: output.inner + 1,
        };
        match output.inner + 1 == output.shape.len() {
            true => Self::found(&view.clone().reshape(shape), source, &split),
            false => index,
        }
    }

    fn found(view: &View, source: &Layout, output: &Layout) -> Self {
        assert_eq!(view.from(), source.shape, "the view is of another shape");
        assert_eq!(view.shape(), output.shape, "the view shows another shape");
        let mut finder = Finder {
            registers: Vec::new(),
        };
        let coordinates = finder.back(view, outermost(output));
        let mut pixel = Vec::new();
        for (dimension, extent) in source.outer() {
            pixel.extend(finder.whole(coordinates[dimension].clone(), extent));
        }
        let channels = source.channels();
        let mut channel = match coordinates.get(source.inner) {
            Some(coordinate) => finder.whole(coordinate.clone(), channels),
            None => Vec::new(),
        };
        // Blocks of the least digit lie as pixels do.
        let mut blocks = source.blocks();
        if let [high @ .., low] = &channel[..]
            && !high.is_empty()
            && low.extent.is_multiple_of(4)
        {
            pixel.extend(high);
            blocks = low.extent / 4;
            channel = vec![*low];
        }
        let (pixel, channel) = (merged(pixel), merged(channel));
        let mut index = Self {
            mode: Mode::Lanes,
            out_blocks: output.blocks(),
            registers: finder.registers,
            pixel,
            channel,
            blocks,
            channels: output.channels(),
        };
        index.mode = index.find_mode(output);
        index
    }

    /// Whether the input lies in memory as the output would: nothing needs to be copied.
    pub fn is_free(&self, source: &Layout, output: &Layout) -> bool {
        let [from, to] = [source.channels(), output.channels()];
        let full = from.is_multiple_of(4) && to.is_multiple_of(4);
        self.mode == Mode::Same
            && (from == to || full)
            && source.all_blocks() == output.all_blocks()
    }

    fn find_mode(&self, output: &Layout) -> Mode {
        let follows = |coordinate: &Coordinate| {
            let mut digits = coordinate.iter();
            digits.any(|digit| self.follows_channel(digit.register))
        };
        // Where it is outside, a lane has another value.
        let may_be_outside = |(rule, of): &(Rule, Coordinate)| {
            matches!(
                rule,
                Rule::Pad {
                    padding: Padding::Constant(_),
                    ..
                }
            ) && follows(of)
        };
        if follows(&self.pixel) || self.registers.iter().any(may_be_outside) {
            return Mode::Lanes;
        }
        let whole = |coordinate: &Coordinate, register: usize, extent: usize| match coordinate[..] {
            [] => extent == 1,
            [digit] => digit == whole_register(register, extent),
            _ => false,
        };
        let channels = output.channels();
        if whole(&self.channel, CHANNEL, channels) {
            let is_same = whole(&self.pixel, PIXEL, output.pixels())
                && self.blocks == output.blocks()
                && self.registers.is_empty();
            return if is_same { Mode::Same } else { Mode::Block };
        }
        if !follows(&self.channel) {
            return Mode::Splat;
        }
        // A part of the channels that begins with a block.
        let [digit] = self.channel[..] else {
            return Mode::Lanes;
        };
        match self.register(digit.register) {
            Some((Rule::Cut(cut), of))
                if digit.divisor == 1
                    // What is counted anew within a block does not lie side by side.
                    && (digit.is_top || digit.extent.is_multiple_of(4))
                    && cut.step == 1
                    && cut.start.is_multiple_of(4)
                    && whole(of, CHANNEL, channels) =>
            {
                Mode::Block
            }
            _ => Mode::Lanes,
        }
    }

    fn register(&self, register: usize) -> Option<&(Rule, Coordinate)> {
        self.registers.get(register.checked_sub(2)?)
    }

    /// Whether a register depends on which channel of the output it is.
    fn follows_channel(&self, register: usize) -> bool {
        match register {
            PIXEL => false,
            CHANNEL => true,
            other => {
                let (_, of) = self.register(other).expect("a register is computed first");
                of.iter().any(|digit| self.follows_channel(digit.register))
            }
        }
    }
}

/// The coordinates of an output, of its pixel and channel.
fn outermost(output: &Layout) -> Vec<Coordinate> {
    let mut divisor = 1;
    let mut coordinates = vec![Vec::new(); output.shape.len()];
    for (dimension, extent) in output.outer().rev() {
        if extent > 1 {
            coordinates[dimension].push(Digit {
                register: PIXEL,
                divisor,
                extent,
                is_top: divisor * extent == output.pixels(),
            });
        }
        divisor *= extent;
    }
    if let Some(channel) = coordinates.get_mut(output.inner)
        && output.channels() > 1
    {
        channel.push(whole_register(CHANNEL, output.channels()));
    }
    coordinates
}

fn whole_register(register: usize, extent: usize) -> Digit {
    Digit {
        register,
        divisor: 1,
        extent,
        is_top: true,
    }
}

/// Neighbours that are digits of one register side by side are one digit.
fn merged(digits: Coordinate) -> Coordinate {
    let mut result: Coordinate = Vec::new();
    for digit in digits {
        match result.last_mut() {
            Some(high)
                if high.register == digit.register
                    && high.divisor == digit.divisor * digit.extent =>
            {
                *high = Digit {
                    extent: high.extent * digit.extent,
                    divisor: digit.divisor,
                    ..*high
                };
            }
            _ => result.push(digit),
        }
    }
    result
}

/// Follows a view back from the output.
struct Finder {
    registers: Vec<(Rule, Coordinate)>,
}

impl Finder {
    /// The coordinates before a view, given those after it.
    fn back(&mut self, view: &View, mut coordinates: Vec<Coordinate>) -> Vec<Coordinate> {
        for (step, before, after) in view.backwards() {
            coordinates = match step {
                ViewStep::Reshape => self.reshape(coordinates, after, before),
                ViewStep::Permute(axes) => {
                    let mut moved = vec![Vec::new(); axes.len()];
                    for (coordinate, axis) in coordinates.into_iter().zip(axes) {
                        moved[*axis] = coordinate;
                    }
                    moved
                }
                ViewStep::Slice(cuts) => {
                    let each = coordinates
                        .into_iter()
                        .zip(cuts)
                        .zip(before.iter().zip(after));
                    each.map(|((coordinate, cut), (before, after))| {
                        let is_whole = *cut == Cut::WHOLE && before == after;
                        match is_whole || *before == 1 {
                            true => coordinate,
                            false => self.compute(Rule::Cut(*cut), coordinate, *before),
                        }
                    })
                    .collect()
                }
                ViewStep::Tile => {
                    let each = coordinates.into_iter().zip(before.iter().zip(after));
                    each.map(|(coordinate, (before, after))| self.tile(coordinate, *before, *after))
                        .collect()
                }
                ViewStep::Pad(sides, padding) => {
                    let each = coordinates
                        .into_iter()
                        .zip(sides)
                        .zip(before.iter().zip(after));
                    each.map(|((coordinate, side), (before, after))| {
                        let rule = Rule::Pad {
                            before: *side,
                            extent: *before,
                            padding: *padding,
                        };
                        match before == after {
                            true => coordinate,
                            false => self.compute(rule, coordinate, *before),
                        }
                    })
                    .collect()
                }
            };
        }
        coordinates
    }

    /// A register of its own.
    fn compute(&mut self, rule: Rule, of: Coordinate, extent: usize) -> Coordinate {
        self.registers.push((rule, merged(of)));
        match extent {
            // There is only one place, but there may be an outside.
            1 => Vec::new(),
            _ => vec![whole_register(self.registers.len() + 1, extent)],
        }
    }

    /// A coordinate whose digits make up all of its dimension, as others need that follow it.
    fn whole(&mut self, coordinate: Coordinate, extent: usize) -> Coordinate {
        let digits: usize = coordinate.iter().map(|digit| digit.extent).product();
        match digits == extent {
            true => coordinate,
            false => self.compute(Rule::Plain, coordinate, extent),
        }
    }

    fn tile(&mut self, coordinate: Coordinate, before: usize, after: usize) -> Coordinate {
        match before {
            1 => Vec::new(),
            _ if before == after => coordinate,
            _ => {
                let mut digits = coordinate.clone();
                take(&mut digits, before)
                    .unwrap_or_else(|| self.compute(Rule::Repeat(before), coordinate, before))
            }
        }
    }

    /// The coordinates of the same values in another shape.
    fn reshape(
        &mut self,
        coordinates: Vec<Coordinate>,
        from: &[usize],
        to: &[usize],
    ) -> Vec<Coordinate> {
        let each = coordinates.into_iter().zip(from);
        let digits: Vec<Digit> = each
            .flat_map(|(coordinate, extent)| self.whole(coordinate, *extent))
            .collect();
        let digits = merged(digits);
        distribute(digits.clone(), to).unwrap_or_else(|| {
            let all = from.iter().product();
            let whole = self.compute(Rule::Plain, digits, all);
            distribute(whole, to).expect("a register divides into any shape of its size")
        })
    }
}

/// Digits distributed over dimensions; none where a digit would have to be of two.
fn distribute(mut digits: Vec<Digit>, shape: &[usize]) -> Option<Vec<Coordinate>> {
    let mut coordinates: Vec<Coordinate> = shape
        .iter()
        .rev()
        .map(|extent| take(&mut digits, *extent))
        .collect::<Option<_>>()?;
    coordinates.reverse();
    Some(coordinates)
}

/// Take the least significant digits that make up an extent.
fn take(digits: &mut Vec<Digit>, extent: usize) -> Option<Coordinate> {
    let mut taken = Vec::new();
    let mut left = extent;
    while left > 1 {
        let digit = digits.pop()?;
        if left.is_multiple_of(digit.extent) {
            left /= digit.extent;
            taken.push(digit);
        } else if digit.extent.is_multiple_of(left) {
            digits.push(Digit {
                divisor: digit.divisor * left,
                extent: digit.extent / left,
                ..digit
            });
            taken.push(Digit {
                extent: left,
                is_top: false,
                ..digit
            });
            left = 1;
        } else {
            return None;
        }
    }
    taken.reverse();
    Some(taken)
}
