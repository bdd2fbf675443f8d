//! Cases of the kernels that make maps.

use super::Random;
use super::case::{Case, UNWRITTEN};
use crate::compile::{ConvParams, ConvSize, Params, conv_groups, grouped_groups, groups, quads};
use crate::plan::{ConvForm, Epilogue, Kernel, Numbers};

/// A convolution: dense, depthwise or grouped. A matrix product over R rows is one of a 1×1 window over a map
/// of `[1, R]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvShape {
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels that are made; as many as the input's where it is depthwise.
    pub out_channels: usize,
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Cells added on each side.
    pub padding: usize,
    /// Height and width of the map that is added, at most the output's.
    pub residual: Option<[usize; 2]>,
    /// Channels beside those that are made: before, after.
    pub beside: [usize; 2],
    /// Slopes of the inner and the outer activation.
    pub slopes: [f32; 2],
}

impl ConvShape {
    /// A 3×3 convolution of stride 1 that keeps the size, without activation.
    pub const fn same(size: [usize; 2], in_channels: usize, out_channels: usize) -> Self {
        Self {
            size,
            in_channels,
            out_channels,
            kernel: 3,
            stride: 1,
            padding: 1,
            residual: None,
            beside: [0, 0],
            slopes: [1.0, 1.0],
        }
    }

    /// Another window.
    pub const fn window(self, kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel,
            stride,
            padding,
            ..self
        }
    }

    /// Height and width of the output.
    pub fn out_size(&self) -> [usize; 2] {
        out_size(self.size, [self.kernel, self.stride, self.padding])
    }
}

fn out_size(size: [usize; 2], [kernel, stride, padding]: [usize; 3]) -> [usize; 2] {
    size.map(|side| (side + 2 * padding - kernel) / stride + 1)
}

fn unwritten(quads: usize) -> Vec<u32> {
    vec![UNWRITTEN; 4 * quads]
}

/// Words of the sizes of a picture, as `shaders/shared/frame.wgsl` has them.
pub(super) fn frame(original: [usize; 2], resized: [usize; 2]) -> Vec<u32> {
    let ratio = |axis: usize| original[axis] as f32 / resized[axis] as f32;
    let frame = Params::new().pair(original).pair(resized);
    frame.f(ratio(0)).f(ratio(1)).unused(2).0
}

impl ConvShape {
    /// What the convolution's kernels are told.
    fn params(&self, tiles: [usize; 2]) -> ConvParams {
        let [before, after] = self.beside.map(quads);
        ConvParams {
            in_size: self.size,
            size: ConvSize {
                in_channels: self.in_channels,
                out_channels: self.out_channels,
                kernel: [self.kernel; 2],
                stride: [self.stride; 2],
                out_size: self.out_size(),
            },
            out_stride: before + quads(self.out_channels) + after,
            out_first: before,
            padding: [self.padding; 2],
            residual_size: self.residual.unwrap_or([1, 1]),
            slopes: self.slopes,
            tiles,
            channel_groups: 1,
        }
    }

    fn epilogue(&self) -> Epilogue {
        match self.residual {
            None => Epilogue::Bias,
            Some(_) => Epilogue::Residual,
        }
    }

    /// Bias, and the map that is added.
    fn epilogue_bindings(&self, random: &mut Random) -> Vec<Vec<u32>> {
        let pitch = quads(self.out_channels) * 4;
        let mut bindings = vec![random.floats(pitch)];
        let residual = self.residual;
        bindings.extend(residual.map(|[height, width]| random.floats(height * width * pitch)));
        bindings
    }
}

/// [`Kernel::Conv`] of some form, with bias, and with a residual where the shape has one.
pub fn conv(form: ConvForm, shape: ConvShape, random: &mut Random) -> Case {
    let params = shape.params([0, 0]);
    let [out_height, out_width] = shape.out_size();
    let [in_quads, out_quads] = [shape.in_channels, shape.out_channels].map(quads);
    let pixels = out_height * out_width;
    let mut bindings = vec![
        random.floats(shape.size[0] * shape.size[1] * in_quads * 4),
        unwritten(pixels * params.out_stride),
        random.floats(shape.kernel * shape.kernel * in_quads * 4 * out_quads * 4),
    ];
    bindings.extend(shape.epilogue_bindings(random));
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::Conv(form, shape.epilogue()),
        numbers: Numbers::F32,
        params: params.words().0,
        groups: conv_groups(form, pixels, out_quads, 1),
        bindings,
    }
}

/// [`Kernel::Conv`] of some form over several matrices of so many rows, its sums alone.
pub fn products(
    form: ConvForm,
    matrices: usize,
    rows: usize,
    [in_channels, out_channels]: [usize; 2],
    random: &mut Random,
) -> Case {
    let [in_quads, out_quads] = [in_channels, out_channels].map(quads);
    Case {
        about: format!(
            "{matrices} products [{rows}, {in_channels}] · [{in_channels}, {out_channels}]"
        ),
        kernel: Kernel::Conv(form, Epilogue::None),
        numbers: Numbers::F32,
        params: ConvParams::matrix(rows, in_channels, out_channels)
            .words()
            .0,
        groups: conv_groups(form, rows, out_quads, matrices),
        bindings: vec![
            random.floats(matrices * rows * in_quads * 4),
            unwritten(matrices * rows * out_quads),
            random.floats(matrices * in_quads * 4 * out_quads * 4),
        ],
    }
}

/// [`Kernel::WinogradInput`] of a 3×3 convolution's tiles: the first, and how many.
pub fn winograd_input(shape: ConvShape, tiles: [usize; 2], random: &mut Random) -> Case {
    let quads = quads(shape.in_channels);
    Case {
        about: format!("{shape:?}, tiles {tiles:?}"),
        kernel: Kernel::WinogradInput,
        numbers: Numbers::F32,
        params: shape.params(tiles).words().0,
        groups: groups(tiles[1] * quads),
        bindings: vec![
            random.floats(shape.size[0] * shape.size[1] * quads * 4),
            unwritten(36 * tiles[1] * quads),
        ],
    }
}

/// [`Kernel::WinogradOutput`] of a 3×3 convolution's tiles: the first, and how many.
pub fn winograd_output(shape: ConvShape, tiles: [usize; 2], random: &mut Random) -> Case {
    let params = shape.params(tiles);
    let quads = quads(shape.out_channels);
    let [height, width] = shape.out_size();
    let mut bindings = vec![
        random.floats(36 * tiles[1] * quads * 4),
        unwritten(height * width * params.out_stride),
    ];
    bindings.extend(shape.epilogue_bindings(random));
    Case {
        about: format!("{shape:?}, tiles {tiles:?}"),
        kernel: Kernel::WinogradOutput(shape.epilogue()),
        numbers: Numbers::F32,
        params: params.words().0,
        groups: groups(tiles[1] * quads),
        bindings,
    }
}

/// [`Kernel::Depthwise`].
pub fn depthwise(shape: ConvShape, random: &mut Random) -> Case {
    let out_size = shape.out_size();
    let quads = quads(shape.in_channels);
    let params = Params::new()
        .pair(shape.size)
        .pair(out_size)
        .u(quads)
        .f(shape.slopes[0])
        .pair([shape.kernel; 2])
        .pair([shape.stride; 2])
        .pair([shape.padding; 2]);
    let lanes = out_size[0] * out_size[1] * quads;
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::Depthwise,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(lanes),
        bindings: vec![
            random.floats(shape.size[0] * shape.size[1] * quads * 4),
            random.floats(shape.kernel * shape.kernel * quads * 4),
            random.floats(quads * 4),
            unwritten(lanes),
        ],
    }
}

/// [`Kernel::Grouped`] of so many groups of channels, with bias, and with a residual where the shape
/// has one.
pub fn grouped(channel_groups: usize, shape: ConvShape, random: &mut Random) -> Case {
    let params = ConvParams {
        channel_groups,
        ..shape.params([0, 0])
    };
    let [out_height, out_width] = shape.out_size();
    let [in_quads, out_quads] = [shape.in_channels, shape.out_channels].map(quads);
    let pixels = out_height * out_width;
    let group_channels = shape.in_channels / channel_groups;
    let mut bindings = vec![
        random.floats(shape.size[0] * shape.size[1] * in_quads * 4),
        unwritten(pixels * params.out_stride),
        random.floats(shape.kernel * shape.kernel * group_channels * out_quads * 4),
    ];
    bindings.extend(shape.epilogue_bindings(random));
    Case {
        about: format!("{shape:?}, {channel_groups} groups"),
        kernel: Kernel::Grouped(shape.epilogue()),
        numbers: Numbers::F32,
        params: params.words().0,
        groups: grouped_groups(pixels, out_quads),
        bindings,
    }
}

/// A maximum over windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Side of the window, its step, and the cells added on each side.
    pub window: [usize; 3],
}

/// [`Kernel::MaxPool`].
pub fn max_pool(shape: PoolShape, random: &mut Random) -> Case {
    let out_size = out_size(shape.size, shape.window);
    let quads = quads(shape.channels);
    let [kernel, stride, padding] = shape.window;
    let params = Params::new()
        .pair(shape.size)
        .pair(out_size)
        .u(quads)
        .u(0)
        .pair([kernel; 2])
        .pair([stride; 2])
        .pair([padding; 2]);
    let lanes = out_size[0] * out_size[1] * quads;
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::MaxPool,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(lanes),
        bindings: vec![
            random.floats(shape.size[0] * shape.size[1] * quads * 4),
            unwritten(lanes),
        ],
    }
}

/// [`Kernel::UpsampleAdd`] of maps of these heights and widths.
pub fn upsample_add(
    fine: [usize; 2],
    coarse: [usize; 2],
    channels: usize,
    slope: f32,
    random: &mut Random,
) -> Case {
    let quads = quads(channels);
    let params = Params::new()
        .pair(fine)
        .pair(coarse)
        .u(quads)
        .f(slope)
        .unused(2);
    let lanes = fine[0] * fine[1] * quads;
    Case {
        about: format!("{fine:?} + {coarse:?}, {channels} channels, slope {slope}"),
        kernel: Kernel::UpsampleAdd,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(lanes),
        bindings: vec![
            random.floats(lanes * 4),
            random.floats(coarse[0] * coarse[1] * quads * 4),
            unwritten(lanes),
        ],
    }
}

/// [`Kernel::Preprocess`] of a picture of `original` height and width.
pub fn preprocess(
    original: [usize; 2],
    resized: [usize; 2],
    padded: [usize; 2],
    random: &mut Random,
) -> Case {
    let params = Params::new()
        .pair(padded)
        .f(255.0)
        .u(0)
        .vec4([0.485, 0.456, 0.406, 0.0])
        .vec4([0.229, 0.224, 0.225, 1.0]);
    let pixels = padded[0] * padded[1];
    let picture = (0..original[0] * original[1]).map(|_| random.word());
    Case {
        about: format!("{original:?} to {resized:?} in {padded:?}"),
        kernel: Kernel::Preprocess,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(pixels),
        bindings: vec![
            frame(original, resized),
            picture.collect(),
            unwritten(pixels),
        ],
    }
}

/// RoIAlign over P2…P5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlignShape {
    /// Height and width of P2; each level after it has half of both, rounded up.
    pub finest: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Boxes that fit.
    pub capacity: usize,
    /// Rows and columns of the output.
    pub cells: [usize; 2],
    /// Samples along a side of a cell; 0 for as many as it is pixels wide.
    pub sampling_ratio: usize,
    /// Whether pixel centres sit at half coordinates.
    pub aligned: bool,
    /// Side of the boxes that belong to P4, in pixels.
    pub canonical_size: f32,
}

/// [`Kernel::RoiAlign`]; what is missing of `boxes` up to the capacity is not meant.
pub fn roi_align(shape: RoiAlignShape, boxes: &[[f32; 4]], random: &mut Random) -> Case {
    let sizes = [0, 1, 2, 3].map(|level| shape.finest.map(|side| side.div_ceil(1 << level)));
    let quads = quads(shape.channels);
    let params = sizes
        .iter()
        .fold(Params::new(), |params, &size| params.pair(size))
        .u(shape.capacity)
        .u(quads)
        .u(shape.sampling_ratio)
        .u(shape.aligned.into())
        .pair(shape.cells)
        .f(shape.canonical_size)
        .unused(1);
    let mut bindings: Vec<Vec<u32>> = sizes
        .iter()
        .map(|[height, width]| random.floats(height * width * quads * 4))
        .collect();
    let mut words: Vec<u32> = boxes
        .as_flattened()
        .iter()
        .map(|side| side.to_bits())
        .collect();
    words.resize(4 * shape.capacity, UNWRITTEN);
    let lanes = shape.capacity * shape.cells[0] * shape.cells[1] * quads;
    bindings.extend([words, vec![boxes.len() as u32], unwritten(lanes)]);
    Case {
        about: format!("{shape:?}, {} boxes", boxes.len()),
        kernel: Kernel::RoiAlign,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(lanes),
        bindings,
    }
}

pub(super) fn preprocess_cases(random: &mut Random) -> Vec<Case> {
    vec![
        preprocess([33, 47], [33, 47], [33, 47], random),
        preprocess([33, 47], [80, 113], [96, 128], random),
        preprocess([90, 70], [41, 32], [64, 32], random),
        preprocess([1, 1], [5, 3], [32, 32], random),
    ]
}

pub(super) fn conv_cases(form: ConvForm, random: &mut Random) -> Vec<Case> {
    let same = ConvShape::same;
    [
        same([13, 17], 3, 64).window(7, 2, 3),
        same([8, 9], 5, 7),
        same([1, 1], 64, 36),
        same([9, 11], 128, 64),
        same([15, 10], 20, 24).window(3, 2, 1),
        same([14, 9], 33, 18).window(1, 2, 0),
        same([12, 10], 256, 75).window(1, 1, 0),
        // Matrix products: one row, one short of a tile, several tiles.
        same([1, 1], 1024, 12).window(1, 1, 0),
        same([1, 7], 200, 91).window(1, 1, 0),
        same([1, 531], 40, 20).window(1, 1, 0),
        ConvShape {
            slopes: [0.0, 1.0],
            ..same([6, 7], 12, 20)
        },
        ConvShape {
            slopes: [0.1, 1.0],
            beside: [8, 0],
            ..same([6, 7], 12, 16)
        },
        ConvShape {
            beside: [16, 8],
            ..same([5, 5], 16, 4)
        },
    ]
    .map(|shape| conv(form, shape, random))
    .to_vec()
}

pub(super) fn conv_residual_cases(form: ConvForm, random: &mut Random) -> Vec<Case> {
    let same = ConvShape::same;
    let slopes = [1.0, 0.0];
    [
        ConvShape {
            residual: Some([7, 9]),
            slopes,
            ..same([7, 9], 16, 12)
        },
        ConvShape {
            residual: Some([4, 5]),
            ..same([7, 9], 30, 64).window(1, 1, 0)
        },
        ConvShape {
            residual: Some([3, 5]),
            slopes: [0.0, 0.1],
            ..same([8, 13], 8, 8)
        },
        ConvShape {
            residual: Some([1, 1]),
            slopes,
            ..same([1, 1], 64, 64).window(1, 1, 0)
        },
        ConvShape {
            residual: Some([5, 6]),
            ..same([10, 11], 12, 12).window(3, 2, 1)
        },
    ]
    .map(|shape| conv(form, shape, random))
    .to_vec()
}

pub(super) fn products_cases(form: ConvForm, random: &mut Random) -> Vec<Case> {
    [(1, 1, [4, 4]), (36, 13, [64, 48]), (3, 70, [17, 70])]
        .map(|(matrices, rows, channels)| products(form, matrices, rows, channels, random))
        .to_vec()
}

pub(super) fn winograd_input_cases(random: &mut Random) -> Vec<Case> {
    let same = ConvShape::same;
    [
        (same([8, 8], 16, 16), [0, 4]),
        (same([7, 10], 5, 16), [0, 6]),
        (same([13, 18], 64, 16), [7, 9]),
        (same([1, 1], 16, 16), [0, 1]),
        (same([9, 6], 16, 16).window(3, 1, 0), [0, 2]),
    ]
    .map(|(shape, tiles)| winograd_input(shape, tiles, random))
    .to_vec()
}

pub(super) fn winograd_output_cases(epilogue: Epilogue, random: &mut Random) -> Vec<Case> {
    let same = ConvShape::same;
    let plain = [
        (same([8, 8], 16, 16), [0, 4]),
        (same([7, 10], 16, 5), [0, 6]),
        (same([13, 18], 16, 64), [7, 9]),
        (same([1, 1], 16, 16), [0, 1]),
    ];
    plain
        .map(|(shape, tiles)| {
            let shape = match epilogue {
                Epilogue::Residual => ConvShape {
                    residual: Some(shape.out_size().map(|side| side.div_ceil(2))),
                    slopes: [1.0, 0.1],
                    ..shape
                },
                _ => ConvShape {
                    beside: [4, 8],
                    slopes: [0.0, 1.0],
                    ..shape
                },
            };
            winograd_output(shape, tiles, random)
        })
        .to_vec()
}

pub(super) fn depthwise_cases(random: &mut Random) -> Vec<Case> {
    let same = |size, channels| ConvShape::same(size, channels, channels);
    [
        same([9, 12], 8),
        same([9, 12], 17).window(3, 2, 1),
        same([1, 1], 256),
        ConvShape {
            slopes: [0.1, 1.0],
            ..same([31, 30], 64)
        },
        same([8, 8], 16).window(5, 1, 2),
    ]
    .map(|shape| depthwise(shape, random))
    .to_vec()
}

pub(super) fn grouped_cases(epilogue: Epilogue, random: &mut Random) -> Vec<Case> {
    // Groups, then channels of the input and of the output in each.
    let same = |size, groups, [inputs, outputs]: [usize; 2]| {
        (
            groups,
            ConvShape::same(size, groups * inputs, groups * outputs),
        )
    };
    let window = |(groups, shape): (usize, ConvShape), kernel, stride, padding| {
        (groups, shape.window(kernel, stride, padding))
    };
    let shapes = [
        same([9, 11], 2, [4, 4]),
        same([7, 13], 32, [4, 4]),
        same([5, 6], 8, [8, 8]),
        same([1, 1], 2, [16, 16]),
        same([10, 3], 2, [8, 16]),
        same([3, 10], 8, [16, 4]),
        window(same([15, 10], 32, [8, 8]), 3, 2, 1),
        window(same([14, 9], 8, [4, 8]), 1, 1, 0),
        window(same([11, 7], 2, [16, 4]), 5, 2, 2),
    ];
    shapes
        .map(|(groups, shape)| {
            let shape = match epilogue {
                Epilogue::Residual => ConvShape {
                    residual: Some(shape.out_size().map(|side| side.div_ceil(2))),
                    slopes: [1.0, 0.1],
                    ..shape
                },
                _ => ConvShape {
                    beside: [4, 8],
                    slopes: [0.0, 1.0],
                    ..shape
                },
            };
            grouped(groups, shape, random)
        })
        .to_vec()
}

pub(super) fn max_pool_cases(random: &mut Random) -> Vec<Case> {
    [
        ([17, 22], 64, [3, 2, 1]),
        ([16, 7], 5, [3, 2, 1]),
        ([1, 1], 4, [3, 2, 1]),
        ([9, 14], 256, [1, 2, 0]),
        ([1, 1], 16, [1, 2, 0]),
    ]
    .map(|(size, channels, window)| {
        max_pool(
            PoolShape {
                size,
                channels,
                window,
            },
            random,
        )
    })
    .to_vec()
}

pub(super) fn upsample_add_cases(random: &mut Random) -> Vec<Case> {
    vec![
        upsample_add([8, 10], [4, 5], 64, 1.0, random),
        upsample_add([25, 13], [13, 7], 6, 1.0, random),
        upsample_add([7, 9], [7, 9], 16, 0.0, random),
        upsample_add([5, 4], [1, 1], 256, 0.1, random),
    ]
}

pub(super) fn roi_align_cases(random: &mut Random) -> Vec<Case> {
    let shape = RoiAlignShape {
        finest: [50, 61],
        channels: 10,
        capacity: 40,
        cells: [7, 7],
        sampling_ratio: 2,
        aligned: false,
        canonical_size: 224.0,
    };
    let picture = [200, 244];
    let mut boxes: Vec<[f32; 4]> = (0..24)
        .map(|k| random.bbox(picture, 20.0 * k as f32 + 5.0))
        .collect();
    // Sizes at the borders between levels, boxes off the picture, without area, larger than all.
    for side in [111.9, 112.0, 224.0, 448.0] {
        boxes.push([1.5, 2.5, 1.5 + side, 2.5 + side]);
    }
    boxes.extend([
        [-500.0, -400.0, -300.0, -200.0],
        [900.0, 900.0, 950.0, 1000.0],
        [33.3, 44.4, 33.3, 44.4],
        [-10.0, -10.0, 5.0, 5.0],
        [-2000.0, -2000.0, 3000.0, 3000.0],
    ]);
    let mut with_nan = boxes.clone();
    with_nan.push([f32::NAN; 4]);
    vec![
        roi_align(shape, &with_nan, random),
        roi_align(
            RoiAlignShape {
                channels: 256,
                ..shape
            },
            &boxes[..12],
            random,
        ),
        roi_align(
            RoiAlignShape {
                sampling_ratio: 0,
                aligned: true,
                ..shape
            },
            &boxes,
            random,
        ),
        roi_align(
            RoiAlignShape {
                cells: [3, 14],
                aligned: true,
                canonical_size: 112.0,
                ..shape
            },
            &boxes,
            random,
        ),
        roi_align(
            RoiAlignShape {
                finest: [1, 1],
                ..shape
            },
            &boxes,
            random,
        ),
        roi_align(shape, &[], random),
    ]
}
