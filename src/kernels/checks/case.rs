//! One kernel on one input.

use std::fmt;

use half::f16;

use crate::kernels::{Dispatch, Dtype, Dtypes, Role};

/// What a buffer holds where nothing was written: NaN, so that it is no part of any magnitude.
pub const UNWRITTEN: u32 = 0x7fc0_0bad;

/// A dispatch and its buffers.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it.
    pub about: String,
    /// The shader, its parameters and workgroups.
    pub dispatch: Dispatch,
    /// The words of the buffers from binding 1 on, before.
    pub bindings: Vec<Vec<u32>>,
    /// vec4 of a candidate, where there are some.
    pub candidate_blocks: usize,
}

/// The largest difference between what an adapter and the reference made of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// Relative to the largest magnitude of its kind; infinite where the bits had to be equal.
    pub relative: f32,
    /// Binding of the buffer.
    pub binding: usize,
    /// Word of the buffer.
    pub index: usize,
    /// What the adapter made, as bits.
    pub found: u32,
    /// What the reference made, as bits.
    pub expected: u32,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            relative,
            binding,
            index,
            found,
            expected,
        } = self;
        let (a, b) = (f32::from_bits(*found), f32::from_bits(*expected));
        write!(
            f,
            "binding {binding}, word {index}: {found:#x} ({a:e}) instead of {expected:#x} ({b:e}), \
             off by {relative:.1e}"
        )
    }
}

/// How the words of a buffer are compared.
#[derive(Clone, Copy)]
enum Content {
    /// Bit by bit.
    Words,
    /// As floats, relative to the largest.
    Floats,
    /// A number, then as many words in any order.
    Set,
    /// Not at all.
    Nothing,
    /// Rows of so many vec4, the last of which holds score, label and level, behind a header of
    /// `usize` words.
    Candidates(usize, usize),
}

impl Case {
    /// Without candidates.
    pub fn new(about: String, dispatch: Dispatch, bindings: Vec<Vec<u32>>) -> Self {
        Self {
            about,
            dispatch,
            bindings,
            candidate_blocks: 1,
        }
    }

    /// With candidates of so many vec4 each.
    pub fn with_candidates(self, candidate_blocks: usize) -> Self {
        Self {
            candidate_blocks,
            ..self
        }
    }

    /// The same with maps and weights in other dtypes.
    pub fn with(mut self, dtypes: Dtypes) -> Self {
        self.dispatch.shader.dtypes = dtypes;
        let mut bindings = std::mem::take(&mut self.bindings);
        self.narrow(&mut bindings);
        self.bindings = bindings;
        self
    }

    /// What the buffers hold after the reference ran.
    pub fn expected(&self) -> Vec<Vec<u32>> {
        let Dispatch {
            shader,
            params,
            workgroups,
        } = &self.dispatch;
        let mut bindings = self.bindings.clone();
        self.widen(&mut bindings);
        shader.run_reference(params, *workgroups, &mut bindings);
        self.narrow(&mut bindings);
        bindings
    }

    /// The largest difference between what an adapter made of the buffers and the reference.
    pub fn compare(&self, mut found: Vec<Vec<u32>>) -> Difference {
        let mut expected = self.expected();
        self.widen(&mut found);
        self.widen(&mut expected);
        let roles = self.roles().iter().enumerate();
        let buffers = roles.zip(found.into_iter().zip(expected));
        let differences = buffers.map(|((index, role), (found, expected))| Difference {
            binding: index + 1,
            ..self.content(*role).compare(found, expected)
        });
        differences.fold(Difference::default(), Difference::larger)
    }

    fn roles(&self) -> &'static [Role] {
        &self.dispatch.shader.kernel.roles
    }

    /// The buffers of 16-bit numbers.
    fn halves<'a>(&self, bindings: &'a mut [Vec<u32>]) -> impl Iterator<Item = &'a mut Vec<u32>> {
        let dtypes = self.dispatch.shader.dtypes;
        let roles = self.roles().iter();
        let halves = bindings.iter_mut().zip(roles);
        halves
            .filter(move |(_, role)| role.dtype(dtypes) == Dtype::F16)
            .map(|(words, _)| words)
    }

    /// Words of 16-bit numbers as those of 32-bit ones.
    fn widen(&self, bindings: &mut [Vec<u32>]) {
        for words in self.halves(bindings) {
            let halves = words
                .iter()
                .flat_map(|word| [*word as u16, (word >> 16) as u16]);
            let wide = halves.map(|half| f16::from_bits(half).to_f32().to_bits());
            *words = wide.collect();
        }
    }

    /// Words of 32-bit numbers as those of 16-bit ones.
    fn narrow(&self, bindings: &mut [Vec<u32>]) {
        for words in self.halves(bindings) {
            let half = |word: u32| u32::from(f16::from_f32(f32::from_bits(word)).to_bits());
            let pairs = words.chunks_exact(2);
            *words = pairs
                .map(|pair| half(pair[0]) | half(pair[1]) << 16)
                .collect();
        }
    }

    /// How a buffer is compared. What is only read must stay as it is.
    fn content(&self, role: Role) -> Content {
        match role {
            Role::MapOut | Role::FloatsOut => Content::Floats,
            Role::SetOut => Content::Set,
            Role::Scratch => Content::Nothing,
            Role::CandidatesOut => Content::Candidates(self.candidate_blocks, 0),
            Role::Results => Content::Candidates(self.candidate_blocks, 4),
            _ => Content::Words,
        }
    }
}

impl Difference {
    fn larger(self, other: Self) -> Self {
        if other.relative > self.relative {
            other
        } else {
            self
        }
    }
}

impl Content {
    fn compare(self, mut found: Vec<u32>, mut expected: Vec<u32>) -> Difference {
        let all = 0..expected.len();
        match self {
            Self::Words => exact(&found, &expected, all),
            Self::Floats => close(&found, &expected, all),
            Self::Nothing => Difference::default(),
            Self::Set => {
                for words in [&mut found, &mut expected] {
                    let (number, members) = words.split_at_mut(1);
                    let end = (number[0] as usize).min(members.len());
                    members[..end].sort_unstable();
                }
                exact(&found, &expected, all)
            }
            Self::Candidates(blocks, header) => {
                let is_tag = |index: &usize| (index - header) / 4 % blocks == blocks - 1;
                let (tags, boxes): (Vec<_>, Vec<_>) = (header..expected.len()).partition(is_tag);
                exact(&found, &expected, 0..header)
                    .larger(close(&found, &expected, boxes))
                    // Score, label and level each have a scale of their own.
                    .larger((0..3).fold(Difference::default(), |largest, k| {
                        let column = tags.iter().copied().skip(k).step_by(4);
                        largest.larger(close(&found, &expected, column))
                    }))
            }
        }
    }
}

/// The first difference, infinite, of words that must be equal.
fn exact(found: &[u32], expected: &[u32], indices: impl IntoIterator<Item = usize>) -> Difference {
    let mut different = indices
        .into_iter()
        .filter(|&index| found[index] != expected[index]);
    different
        .next()
        .map_or(Difference::default(), |index| Difference {
            relative: f32::INFINITY,
            binding: 0,
            index,
            found: found[index],
            expected: expected[index],
        })
}

/// The largest difference of floats, relative to the largest magnitude expected.
fn close(found: &[u32], expected: &[u32], indices: impl IntoIterator<Item = usize>) -> Difference {
    let indices: Vec<usize> = indices.into_iter().collect();
    let scale = indices
        .iter()
        .map(|&index| f32::from_bits(expected[index]).abs())
        .filter(|magnitude| magnitude.is_finite())
        .fold(0.0, f32::max);
    let differences = indices.into_iter().map(|index| {
        let (found, expected) = (found[index], expected[index]);
        let (a, b) = (f32::from_bits(found), f32::from_bits(expected));
        let relative = match a == b || found == expected || (a.is_nan() && b.is_nan()) {
            true => 0.0,
            false => ((a - b) / scale).abs(),
        };
        Difference {
            // NaN instead of a number is as wrong as can be.
            relative: if relative.is_nan() {
                f32::INFINITY
            } else {
                relative
            },
            binding: 0,
            index,
            found,
            expected,
        }
    });
    differences.fold(Difference::default(), Difference::larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn compare(content: Content, found: &[f32], expected: &[f32]) -> f32 {
        content.compare(words(found), words(expected)).relative
    }

    #[test]
    fn floats_differ_relative_to_the_largest() {
        assert_eq!(compare(Content::Floats, &[0.0, 100.0], &[1.0, 100.0]), 0.01);
        assert_eq!(
            compare(Content::Floats, &[-0.0, f32::NAN], &[0.0, f32::NAN]),
            0.0
        );
        assert_eq!(compare(Content::Floats, &[f32::NAN], &[1.0]), f32::INFINITY);
        assert_eq!(compare(Content::Floats, &[1.0], &[f32::NAN]), f32::INFINITY);
    }

    #[test]
    fn words_are_equal_or_wrong() {
        assert_eq!(compare(Content::Words, &[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(compare(Content::Words, &[-0.0], &[0.0]), f32::INFINITY);
    }

    #[test]
    fn a_set_has_no_order_but_what_follows_it_has() {
        let relative = |found: [u32; 4], expected: [u32; 4]| {
            let difference = Content::Set.compare(found.to_vec(), expected.to_vec());
            difference.relative
        };
        assert_eq!(relative([2, 8, 5, 9], [2, 5, 8, 9]), 0.0);
        assert_eq!(relative([1, 8, 5, 9], [1, 5, 8, 9]), f32::INFINITY);
    }

    #[test]
    fn scores_are_not_measured_by_boxes() {
        let expected = [900.0, 900.0, 950.0, 950.0, 0.5, 1.0, 2.0, 0.0];
        let mut found = expected;
        found[4] = 0.6;
        let relative = compare(Content::Candidates(2, 0), &found, &expected);
        assert!((relative - 0.2).abs() < 1e-6, "{relative}");
    }
}
