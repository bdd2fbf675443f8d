//! Instructions that show tensors otherwise, or put them side by side.

use burn::tensor::ops::PadMode;
use burn::tensor::{Slice, Tensor};

use super::instructions::{Op, Padding};
use super::run::Run;
use super::tensors::{Any, both, each};

impl Run<'_> {
    pub fn assign(
        &self,
        x: Any,
        other: usize,
        axis: usize,
        [start, extent]: [usize; 2],
    ) -> Option<Any> {
        let shape = x.shape();
        let y = self.fitting(other, |other| other == shape)?;
        let axis = axis % shape.len();
        let cuts = cuts(&shape, axis, [start, extent], 1);
        Some(both!(x, y, (x, y) => x.slice_assign(&cuts, y.slice(&cuts)).into()))
    }

    pub fn cat(&self, x: Any, axis: usize, others: &[usize]) -> Option<Any> {
        let shape = x.shape();
        let axis = axis % shape.len();
        let fits = |other: &[usize]| {
            let mut other = other.to_vec();
            other.len() == shape.len() && {
                other[axis] = shape[axis];
                other == shape
            }
        };
        let others = others.iter().map(|other| self.fitting(*other, fits));
        let parts: Vec<Any> = [Some(x.clone())]
            .into_iter()
            .chain(others)
            .collect::<Option<_>>()?;
        macro_rules! joined {
            ($($name:ident)+) => {
                match x {
                    $(Any::$name(_) => {
                        let parts = parts.into_iter().filter_map(|part| match part {
                            Any::$name(part) => Some(part),
                            _ => None,
                        });
                        Tensor::cat(parts.collect(), axis).into()
                    })+
                }
            };
        }
        Some(joined!(One Two Three Four Five))
    }
}

/// Instructions that only show a tensor otherwise.
pub fn view(x: Any, op: &Op) -> Option<Any> {
    let shape = x.shape();
    let rank = shape.len();
    let reshaped = |shape: Vec<usize>| Some(x.clone().reshape(&shape));
    match *op {
        Op::Merge(axis) if rank > 1 => {
            let axis = axis % (rank - 1);
            let mut merged = shape;
            merged[axis] *= merged.remove(axis + 1);
            reshaped(merged)
        }
        Op::Split(axis, by) if rank < 5 && shape[axis % rank].is_multiple_of(by) => {
            let axis = axis % rank;
            let mut split = shape;
            split[axis] /= by;
            split.insert(axis + 1, by);
            reshaped(split)
        }
        Op::Flatten => reshaped(vec![shape.iter().product()]),
        Op::Unsqueeze(axis) if rank < 5 => {
            let mut more = shape;
            more.insert(axis % (rank + 1), 1);
            reshaped(more)
        }
        Op::Squeeze if rank > 1 && shape.contains(&1) => {
            let mut fewer = shape;
            fewer.retain(|extent| *extent > 1);
            if fewer.is_empty() {
                fewer.push(1);
            }
            reshaped(fewer)
        }
        Op::Expand(extent) => {
            let axis = shape.iter().position(|extent| *extent == 1)?;
            let mut larger = shape;
            larger[axis] = extent;
            Some(each!(x, x => expanded(x, &larger).into()))
        }
        _ => each!(x, x => moved(x, op).map(Any::from)),
    }
}

/// Instructions that keep the rank.
fn moved<const D: usize>(x: Tensor<D>, op: &Op) -> Option<Tensor<D>> {
    let shape = x.dims();
    Some(match *op {
        Op::Permute(keys) => {
            let mut axes: [usize; D] = std::array::from_fn(|axis| axis);
            axes.sort_by_key(|axis| keys[*axis]);
            x.permute(axes)
        }
        Op::Slice {
            axis,
            start,
            extent,
            step,
        } => x.slice(&cuts(&shape, axis % D, [start, extent], step)),
        Op::Flip(one, other) => match (one % D, other % D) {
            (one, other) if one == other => x.flip([one]),
            (one, other) => x.flip([one, other]),
        },
        Op::Pad(axis, [before, after], mode) => {
            let axis = axis % D;
            let most = match mode {
                Padding::Reflect => shape[axis] - 1,
                _ => usize::MAX,
            };
            let mut around = vec![(0, 0); D];
            around[axis] = (before.min(most), after.min(most));
            let mode = match mode {
                Padding::Constant => PadMode::Constant(0.5),
                Padding::Reflect => PadMode::Reflect,
                Padding::Edge => PadMode::Edge,
            };
            x.pad(around, mode)
        }
        Op::Repeat(axis, times) => {
            let mut all = [1; D];
            all[axis % D] = times;
            x.repeat(&all)
        }
        Op::Roll(axis, shift) => x.roll(&[shift], &[axis % D]),
        // Burn fails where the last of three would be empty.
        Op::Chunk(axis, part) if 2 * shape[axis % D].div_ceil(3) < shape[axis % D] => {
            let parts = x.chunk(3, axis % D);
            parts[part % parts.len()].clone()
        }
        _ => return None,
    })
}

/// A part of one axis.
fn cuts(shape: &[usize], axis: usize, [start, extent]: [usize; 2], step: isize) -> Vec<Slice> {
    let mut cuts = vec![Slice::full(); shape.len()];
    let start = start % shape[axis];
    let end = shape[axis].min(start + extent);
    cuts[axis] = Slice::new(start as isize, Some(end as isize), step);
    cuts
}

/// One of the same rank.
fn expanded<const D: usize>(x: Tensor<D>, shape: &[usize]) -> Tensor<D> {
    let shape: [usize; D] = shape.try_into().expect("it is as long");
    x.expand(shape)
}
