//! Tensors seen otherwise: reshaped, permuted, cut, padded, repeated, in any order.

/// What is beside a tensor that is padded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// This value.
    Constant(f32),
    /// The tensor mirrored at its first and last values, which are not repeated.
    Reflect,
    /// The tensor's first and last values.
    Edge,
}

/// Where a dimension is cut: value `i` of what is left is value `start + step · i` of what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The first.
    pub start: usize,
    /// From one to the next; backwards below 0.
    pub step: isize,
}

impl Cut {
    /// Everything.
    pub const WHOLE: Self = Self { start: 0, step: 1 };
}

/// One change of a tensor's shape.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewStep {
    /// The same values in row-major order.
    Reshape,
    /// Dimension `i` is what was dimension `axes[i]`.
    Permute(Vec<usize>),
    /// Each dimension cut.
    Slice(Vec<Cut>),
    /// Each dimension as it was, or repeated so often that it has its new extent.
    Tile,
    /// So many values added before each dimension, and some after it.
    Pad(Vec<usize>, Padding),
}

/// How a tensor is seen: steps from its own shape to another, each with the shape it makes.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    from: Vec<usize>,
    steps: Vec<(ViewStep, Vec<usize>)>,
}

impl View {
    /// As it is.
    pub fn of(shape: &[usize]) -> Self {
        Self {
            from: shape.to_vec(),
            steps: Vec::new(),
        }
    }

    /// Shape of the tensor that is seen.
    pub fn from(&self) -> &[usize] {
        &self.from
    }

    /// Shape that it is seen in.
    pub fn shape(&self) -> &[usize] {
        self.steps.last().map_or(&self.from, |(_, shape)| shape)
    }

    /// From the last step to the first: the step, the shape before it and the shape it makes.
    pub(super) fn backwards(&self) -> impl Iterator<Item = (&ViewStep, &[usize], &[usize])> {
        (0..self.steps.len()).rev().map(|index| {
            let (step, shape) = &self.steps[index];
            let before = match index {
                0 => &self.from,
                _ => &self.steps[index - 1].1,
            };
            (step, &before[..], &shape[..])
        })
    }

    /// Whether nothing is changed.
    pub fn is_identity(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether it is a reshape and nothing else.
    pub fn is_reshape(&self) -> bool {
        matches!(self.steps[..], [(ViewStep::Reshape, _)])
    }

    /// Whether it shows each of the tensor's values at most once, and nothing else.
    pub fn only_moves(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.all(|(step, _)| !matches!(step, ViewStep::Tile | ViewStep::Pad(..)))
    }

    /// Whether it shows each of the tensor's values at most once, and zeros beside them.
    pub fn only_pads_with_zeros(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.all(|(step, _)| match step {
            ViewStep::Pad(_, padding) => *padding == Padding::Constant(0.0),
            ViewStep::Tile => false,
            _ => true,
        })
    }

    /// What this view shows, seen by another.
    ///
    /// # Panics
    /// If the other is not of the shape that this one shows.
    pub fn then(mut self, other: &Self) -> Self {
        assert_eq!(self.shape(), other.from, "a view is of a view's shape");
        for (step, shape) in &other.steps {
            self = self.with(step.clone(), shape.clone());
        }
        self
    }

    /// Reshaped.
    pub fn reshape(self, shape: Vec<usize>) -> Self {
        self.with(ViewStep::Reshape, shape)
    }

    /// Permuted: dimension `i` is what was dimension `axes[i]`.
    pub fn permute(self, axes: Vec<usize>) -> Self {
        let shape = axes.iter().map(|axis| self.shape()[*axis]).collect();
        self.with(ViewStep::Permute(axes), shape)
    }

    /// Each dimension cut, with so many values left.
    pub fn slice(self, cuts: Vec<Cut>, shape: Vec<usize>) -> Self {
        self.with(ViewStep::Slice(cuts), shape)
    }

    /// Expanded as tensors are that are added: dimensions of extent 1 are repeated, and put in front where
    /// there are fewer.
    pub fn expand(self, shape: &[usize]) -> Self {
        let mut aligned = vec![1; shape.len() - self.shape().len()];
        aligned.extend(self.shape());
        self.reshape(aligned).tile(shape.to_vec())
    }

    /// Each dimension as it is, or repeated.
    pub fn tile(self, shape: Vec<usize>) -> Self {
        self.with(ViewStep::Tile, shape)
    }

    /// Padded by so much before and after each dimension.
    pub fn pad(self, around: &[(usize, usize)], padding: Padding) -> Self {
        let sides = self.shape().iter().zip(around);
        let shape = sides.map(|(extent, (before, after))| before + extent + after);
        let shape = shape.collect();
        let before = around.iter().map(|(before, _)| *before).collect();
        self.with(ViewStep::Pad(before, padding), shape)
    }

    /// A part of a tensor of extent `whole` in one dimension, where it begins at `first`: zeros elsewhere.
    pub fn beside(self, dimension: usize, first: usize, whole: usize) -> Self {
        let mut around = vec![(0, 0); self.shape().len()];
        around[dimension] = (first, whole - first - self.shape()[dimension]);
        self.pad(&around, Padding::Constant(0.0))
    }

    /// One more step, or the last one changed so that it does both.
    fn with(mut self, step: ViewStep, shape: Vec<usize>) -> Self {
        let changes = match &step {
            ViewStep::Reshape | ViewStep::Tile | ViewStep::Pad(..) => shape != self.shape(),
            ViewStep::Permute(axes) => !axes.iter().copied().eq(0..axes.len()),
            ViewStep::Slice(cuts) => {
                shape != self.shape() || cuts.iter().any(|cut| *cut != Cut::WHOLE)
            }
        };
        if !changes {
            return self;
        }
        match (self.steps.last().map(|(last, _)| last), step) {
            (Some(ViewStep::Reshape), ViewStep::Reshape) => {
                self.steps.pop();
                self.reshape(shape)
            }
            (Some(ViewStep::Permute(first)), ViewStep::Permute(second)) => {
                let axes = second.iter().map(|axis| first[*axis]).collect();
                self.steps.pop();
                self.permute(axes)
            }
            (_, step) => {
                self.steps.push((step, shape));
                self
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undone_is_no_step() {
        let view = View::of(&[2, 3, 4]).permute(vec![1, 2, 0]);
        let back = view.clone().permute(vec![2, 0, 1]);
        assert!(back.is_identity() && !view.is_identity());
        let view = View::of(&[2, 3, 4])
            .reshape(vec![24])
            .reshape(vec![2, 3, 4]);
        assert!(view.is_identity());
    }

    #[test]
    fn a_tensor_expands_as_those_it_is_added_to() {
        let view = View::of(&[3, 1]).expand(&[2, 3, 4]);
        assert_eq!(view.shape(), [2, 3, 4]);
        assert!(!view.only_moves());
    }
}
