//! Decoded boxes on their way to the final selection.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, ExtensionType, Flex};
use burn::tensor::{DType, Shape};
#[cfg(feature = "verify")]
use burn_ir::TensorIr;

use super::flex;
#[cfg(feature = "verify")]
use super::flex::Handles;
use crate::boxes::BBox;
use crate::plan::{Value, ValueKind};

/// What the tensors of [`Candidates`] hold in a plan: its rows hold scores, labels and levels too.
pub(super) const CANDIDATES: [ValueKind; 5] = [
    ValueKind::Candidates,
    ValueKind::CandidateColumn,
    ValueKind::CandidateColumn,
    ValueKind::CandidateColumn,
    ValueKind::Integers,
];

/// Whether the tensors of [`Candidates`] are of so many rows, and the rows hold boxes.
///
/// # Errors
/// If they are not.
pub(super) fn check(tensors: &[&Value]) -> Result<(), String> {
    let shapes: Vec<&[usize]> = tensors.iter().map(|tensor| &*tensor.shape).collect();
    match shapes[..] {
        [&[n, width], &[scores], &[labels], &[levels], &[1]]
            if [scores, labels, levels] == [n; 3] && width >= 4 && width.is_multiple_of(2) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "it has candidates of {shapes:?}, where [M, 4 + 2 L], [M], [M], [M] and [1] are expected"
        )),
    }
}

/// Scored boxes, a row each; what the decoding operations hand to
/// [`select_detections`](super::select::select_detections).
#[derive(ExtensionType)]
pub struct Candidates<B: Backend> {
    /// `[M, 4 + 2L]` in pixels of the resized picture: the box, then L landmarks (x, y) that ride
    /// along.
    pub rows: FloatTensor<B>,
    /// `[M]`, 0 to 1.
    pub scores: FloatTensor<B>,
    /// `[M]`, the model's label.
    pub labels: IntTensor<B>,
    /// `[M]`, the pyramid level (2 for P2) that the box started from.
    pub levels: IntTensor<B>,
    /// `[1]`, how many rows are meant.
    pub count: IntTensor<B>,
}

/// One candidate in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The box.
    pub bbox: BBox,
    /// Landmarks (x, y, x, y, …).
    pub landmarks: Vec<f32>,
    /// 0 to 1.
    pub score: f32,
    /// The model's label.
    pub label: i32,
    /// Pyramid level, 2 for P2.
    pub level: i32,
}

impl Candidates<Flex> {
    /// The CPU engine's tensors for candidates with `landmarks` values each beside the box.
    pub(super) fn from_memory(candidates: &[Candidate], landmarks: usize) -> Self {
        let count = candidates.len();
        let rows: Vec<f32> = candidates
            .iter()
            .flat_map(|c| c.bbox.iter().chain(&c.landmarks).copied())
            .collect();
        let column =
            |value: fn(&Candidate) -> i32| -> Vec<i32> { candidates.iter().map(value).collect() };
        let scores: Vec<f32> = candidates.iter().map(|c| c.score).collect();
        Self {
            rows: flex::tensor(rows, [count, 4 + landmarks]),
            scores: flex::tensor(scores, [count]),
            labels: flex::tensor(column(|c| c.label), [count]),
            levels: flex::tensor(column(|c| c.level), [count]),
            count: flex::tensor(vec![count as i32], [1]),
        }
    }

    /// The tensors of a recorded call.
    #[cfg(feature = "verify")]
    pub(super) fn read(tensors: &[TensorIr], handles: &mut Handles) -> Self {
        Self {
            rows: handles.get_float_tensor::<Flex>(&tensors[0]),
            scores: handles.get_float_tensor::<Flex>(&tensors[1]),
            labels: handles.get_int_tensor::<Flex>(&tensors[2]),
            levels: handles.get_int_tensor::<Flex>(&tensors[3]),
            count: handles.get_int_tensor::<Flex>(&tensors[4]),
        }
    }

    /// The outcome of a recorded call.
    #[cfg(feature = "verify")]
    pub(super) fn register(self, tensors: &[TensorIr], handles: &mut Handles) {
        handles.register_float_tensor::<Flex>(&tensors[0].id, self.rows);
        handles.register_float_tensor::<Flex>(&tensors[1].id, self.scores);
        handles.register_int_tensor::<Flex>(&tensors[2].id, self.labels);
        handles.register_int_tensor::<Flex>(&tensors[3].id, self.levels);
        handles.register_int_tensor::<Flex>(&tensors[4].id, self.count);
    }

    /// The candidates in memory, in order.
    pub(super) fn into_memory(self) -> Vec<Candidate> {
        let tensors = [self.rows, self.scores, self.labels, self.levels].map(flex::contiguous);
        let [rows, scores, labels, levels] = &tensors;
        let scores = flex::values::<f32>(scores);
        let (labels, levels) = (flex::values::<i32>(labels), flex::values::<i32>(levels));
        let rows = flex::values::<f32>(rows);
        let width = rows.len().checked_div(scores.len()).unwrap_or(4);
        rows.chunks_exact(width)
            .zip(scores)
            .zip(labels.iter().zip(levels))
            .map(|((row, &score), (&label, &level))| Candidate {
                bbox: [row[0], row[1], row[2], row[3]],
                landmarks: row[4..].to_vec(),
                score,
                label,
                level,
            })
            .collect()
    }
}

/// Shapes and types of captured candidates: at most `capacity` rows of `width` values.
pub(super) fn captured_shapes(capacity: usize, width: usize) -> [(Shape, DType); 5] {
    [
        (Shape::from([capacity, width]), DType::F32),
        (Shape::from([capacity]), DType::F32),
        (Shape::from([capacity]), DType::I32),
        (Shape::from([capacity]), DType::I32),
        (Shape::from([1]), DType::I32),
    ]
}

impl Candidates<Capture> {
    /// The tensors, in the order of [`CANDIDATES`].
    pub(super) fn into_captured(self) -> [super::capture::Captured; 5] {
        [self.rows, self.scores, self.labels, self.levels, self.count]
    }

    pub(super) fn from_captured(
        [rows, scores, labels, levels, count]: [super::capture::Captured; 5],
    ) -> Self {
        Self {
            rows,
            scores,
            labels,
            levels,
            count,
        }
    }
}
