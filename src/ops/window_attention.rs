//! Attention within windows of a map: Swin's, whose windows may be shifted (Liu et al., 2021,
//! <https://arxiv.org/abs/2103.14030>), and HAT's, whose windows of keys overlap (Chen et al., 2023,
//! <https://arxiv.org/abs/2309.04239>), as the published code of both computes them.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::ops::PadMode;
use burn::tensor::{DType, Shape, Tensor};
use burn_ir::ScalarIr;

use super::capture::{record, size};
use super::flex;
use super::operation::Operation;

mod attend;
mod schedule;

pub use attend::attend;
pub(super) use schedule::WindowAttention;

/// How a map is taken apart into windows, and attention into heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAttentionOptions {
    /// Heads, which share the channels out.
    pub heads: usize,
    /// Pixels along the side of a window of queries. Windows lie side by side and cover the map.
    pub window: usize,
    /// Where the keys of a window's queries are.
    pub windows: Windows,
}

/// Where the keys of a window's queries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// In the same window. All windows are shifted by so many pixels to the right and below, and cross the map's
    /// edges: what lies beyond is from the other side, and −100 is added to scores of pixels that are no neighbours.
    Shifted(usize),
    /// In a window of so many pixels along a side, around the same centre. What lies off the map are zeros.
    Overlapping(usize),
}

impl WindowAttentionOptions {
    /// Pixels along the side of a window of keys.
    pub fn key_window(&self) -> usize {
        match self.windows {
            Windows::Shifted(_) => self.window,
            Windows::Overlapping(side) => side,
        }
    }

    /// Positions of a key relative to a query, along one axis.
    pub fn positions(&self) -> usize {
        self.window + self.key_window() - 1
    }

    /// Whether a map of so many channels, and of some height and width, has such attention.
    ///
    /// # Errors
    /// If it has none, in words.
    pub fn check(&self, channels: usize, [height, width]: [usize; 2]) -> Result<(), String> {
        let (heads, window) = (self.heads, self.window);
        if heads == 0 || channels == 0 || !channels.is_multiple_of(heads) {
            return Err(format!(
                "attention has {heads} heads: expected a number that divides its {channels} channels"
            ));
        }
        if window == 0 || !height.is_multiple_of(window) || !width.is_multiple_of(window) {
            return Err(format!(
                "attention goes over windows of {window}, where a side is expected that divides a map of \
                 {height} by {width} cells"
            ));
        }
        match self.windows {
            Windows::Shifted(shift) if shift >= window => Err(format!(
                "attention shifts windows of {window} by {shift}: expected less than a side"
            )),
            Windows::Overlapping(side) if side < window || (side - window) % 2 != 0 => {
                Err(format!(
                    "attention has keys in windows of {side} around windows of {window}: expected an even \
                     number more, half of them on each side"
                ))
            }
            _ => Ok(()),
        }
    }

    fn check_bias(&self, shape: [usize; 2]) -> Result<(), String> {
        let expected = [self.positions().pow(2), self.heads];
        match shape == expected {
            true => Ok(()),
            false => Err(format!(
                "attention has biases {shape:?}, where {expected:?} is expected"
            )),
        }
    }

    /// The row of a bias, from a query's and a key's place in its window, row and column. Where keys are in the
    /// same window, it is counted by query less key; where windows overlap, by key less query, and what is
    /// negative counts from the end.
    fn bias_row(&self, query: [usize; 2], key: [usize; 2]) -> usize {
        let (direction, first) = self.bias_rows();
        let positions = self.positions() as i32;
        let [down, across] = [0, 1].map(|axis| {
            let apart = key[axis] as i32 - query[axis] as i32;
            direction * apart + first
        });
        (down * positions + across).rem_euclid(positions * positions) as usize
    }

    /// Along an axis: what the difference of a key's and a query's place is multiplied by, and what is added to it.
    fn bias_rows(&self) -> (i32, i32) {
        let (window, keys) = (self.window as i32, self.key_window() as i32);
        match self.windows {
            Windows::Shifted(_) => (-1, window - 1),
            Windows::Overlapping(_) => (1, window - keys + 1),
        }
    }

    fn to_scalars(self, scale: f32) -> Vec<ScalarIr> {
        let count = |count: usize| ScalarIr::UInt(count as u64);
        let (overlaps, number) = match self.windows {
            Windows::Shifted(shift) => (false, shift),
            Windows::Overlapping(side) => (true, side),
        };
        vec![
            count(self.heads),
            count(self.window),
            ScalarIr::Bool(overlaps),
            count(number),
            ScalarIr::Float(scale.into()),
        ]
    }

    /// As a captured graph holds them, with what scores are multiplied by.
    fn from_scalars(scalars: &[ScalarIr]) -> (Self, f32) {
        let number = size(scalars[3]);
        let options = Self {
            heads: size(scalars[0]),
            window: size(scalars[1]),
            windows: match scalars[2].elem() {
                false => Windows::Shifted(number),
                true => Windows::Overlapping(number),
            },
        };
        (options, scalars[4].elem())
    }
}

/// Each pixel as the sum of the values in its window, weighted by a softmax over how its query meets their keys:
/// softmax(q · k / √d + bias) · v, where d is a head's channels.
///
/// - `qkv`: `[N, 3 · C, H, W]`, queries, keys, values, each head after head;
/// - `bias`: `[positions², heads]`, where [`positions`](WindowAttentionOptions::positions) is how many places a key
///   may have relative to a query, along one axis;
/// - returns `[N, C, H, W]`.
///
/// It has no gradient. Captured, `N` is 1.
///
/// # Panics
/// If the map or the biases do not fit: see [`WindowAttentionOptions::check`].
pub fn window_attention(
    qkv: Tensor<4>,
    bias: Tensor<2>,
    options: WindowAttentionOptions,
) -> Tensor<4> {
    let [items, all, height, width] = qkv.dims();
    let channels = all / 3;
    let fits = match all.is_multiple_of(3) {
        true => options.check(channels, [height, width]),
        false => Err(format!(
            "attention reads {all} channels: expected as many queries as keys and values"
        )),
    };
    if let Err(problem) = fits.and_then(|()| options.check_bias(bias.dims())) {
        panic!("{problem}");
    }
    let depth = channels / options.heads;
    // Kernels read channels by fours; zeros add nothing to a score.
    let filled = depth.next_multiple_of(4);
    let parts = items * 3 * options.heads;
    let qkv = match filled == depth {
        true => qkv,
        false => qkv
            .reshape([parts, depth, height, width])
            .pad(
                [(0, 0), (0, filled - depth), (0, 0), (0, 0)],
                PadMode::Constant(0.0),
            )
            .reshape([items, 3 * options.heads * filled, height, width]),
    };
    let seen: Tensor<4> =
        Tensor::from_dispatch(<Dispatch as WindowAttentionOps>::window_attention(
            qkv.into_dispatch(),
            bias.into_dispatch(),
            options,
            (depth as f32).sqrt().recip(),
        ));
    match filled == depth {
        true => seen,
        false => seen
            .reshape([items * options.heads, filled, height, width])
            .slice([0..items * options.heads, 0..depth, 0..height, 0..width])
            .reshape([items, channels, height, width]),
    }
}

/// Backends that can run [`window_attention()`].
#[backend_extension(Flex, Capture)]
pub trait WindowAttentionOps: Backend {
    /// See [`window_attention()`]; scores are multiplied by `scale`.
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: WindowAttentionOptions,
        scale: f32,
    ) -> FloatTensor<Self>;
}

impl WindowAttentionOps for Flex {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: WindowAttentionOptions,
        scale: f32,
    ) -> FloatTensor<Self> {
        let shape = seen(qkv.shape().dims());
        let (qkv, bias) = (flex::contiguous(qkv), flex::contiguous(bias));
        let items = flex::maps(&qkv).into_iter();
        let values = items.flat_map(|item| attend(&item, flex::values(&bias), options, scale));
        flex::tensor::<f32>(values.collect(), shape)
    }
}

impl WindowAttentionOps for Capture {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: WindowAttentionOptions,
        scale: f32,
    ) -> FloatTensor<Self> {
        let outputs = [(Shape::from(seen(qkv.shape().dims())), DType::F32)];
        let scalars = options.to_scalars(scale);
        let [made] = record(WindowAttention.id(), vec![qkv, bias], scalars, outputs);
        made
    }
}

/// The shape of what is made of queries, keys and values.
fn seen([items, channels, height, width]: [usize; 4]) -> [usize; 4] {
    [items, channels / 3, height, width]
}
