//! Which numbers of a storage a tensor is.

use std::ops::Range;

use crate::weights::pickle::{Storage, Tensor};

/// Most values of a tensor that has more than its storage, as an expanded one does.
const MOST_REPEATED: usize = 1 << 20;

/// Which numbers of a storage a tensor is.
pub(super) struct View {
    /// The storage's name.
    pub storage: String,
    /// From the first to behind the last.
    pub place: Range<usize>,
    /// The tensor's sides.
    pub shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    /// A tensor on a storage of this name.
    ///
    /// # Errors
    /// If it is none, in words.
    pub fn of(tensor: &Tensor, name: &str, storage: &Storage) -> Result<Self, String> {
        let Tensor {
            offset,
            shape,
            strides,
            ..
        } = tensor;
        if shape.len() != strides.len() {
            return Err(format!(
                "its shape is {shape:?}, but its strides are {strides:?}"
            ));
        }
        let too_large = || format!("its shape {shape:?} is too large");
        let count = shape
            .iter()
            .try_fold(1_usize, |count, side| count.checked_mul(*side));
        let count = count.ok_or_else(too_large)?;
        let mut steps = shape.iter().zip(strides);
        let last = steps.try_fold(*offset, |last, (side, stride)| {
            last.checked_add(side.saturating_sub(1).checked_mul(*stride)?)
        });
        let end = match count {
            0 => *offset,
            _ => last
                .and_then(|last| last.checked_add(1))
                .ok_or_else(too_large)?,
        };
        let declared = storage.view.len();
        if end > declared {
            return Err(format!(
                "Tensor with shape {shape:?} and strides {strides:?} at {offset} needs {end} elements, but storage \
                 '{name}' declares {declared}"
            ));
        }
        // Within the whole storage, of which this may be on a view.
        let first = storage.view.start;
        let place = first + (*offset).min(end)..first + end;
        if count > place.len().max(MOST_REPEATED) {
            return Err(format!(
                "its shape {shape:?} repeats {} values {count} times in all",
                place.len()
            ));
        }
        Ok(Self {
            storage: name.to_owned(),
            place,
            shape: shape.clone(),
            strides: strides.clone(),
        })
    }

    /// Whether its numbers lie side by side in their order.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        let sides = self.shape.iter().zip(&self.strides).rev();
        self.place.is_empty()
            || sides.into_iter().all(|(side, stride)| {
                let is_next = *side == 1 || *stride == expected;
                expected *= side;
                is_next
            })
    }

    /// Its values out of those at its place, row-major.
    pub fn gather(&self, values: &[f32]) -> Vec<f32> {
        let places = self.shape.iter().zip(&self.strides);
        let places = places.fold(vec![0], |places, (side, stride)| {
            let along = |place: usize| (0..*side).map(move |index| place + index * stride);
            places.into_iter().flat_map(along).collect()
        });
        places.into_iter().map(|place| values[place]).collect()
    }
}
