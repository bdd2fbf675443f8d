//! What the convolution is compared with its reference over.

use super::{ConvForm, Epilogue, Params, reference, variant};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::upsample_add::Upsampling;
use crate::kernels::{Dtypes, Kernel, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::nearest,
    cases,
    tolerance: 1e-5,
};

/// The same, of a kernel whose residual is upsampled so.
pub(super) const CHECKS_BILINEAR: Checks = Checks {
    reference: reference::bilinear,
    ..CHECKS
};

/// A convolution: dense, or grouped. A matrix product over R rows is one of a 1×1 window over a map of
/// `[1, R]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvShape {
    /// Maps that are convolved alike.
    pub items: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels that are made of a pixel of the output.
    pub out_channels: usize,
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Cells from one of its taps to the next.
    pub dilation: usize,
    /// Cells added on each side.
    pub padding: usize,
    /// Height and width of the map that is added, at most the output's, and how it is upsampled.
    pub residual: Option<([usize; 2], Upsampling)>,
    /// Channels beside those that are made: before, after.
    pub beside: [usize; 2],
    /// Slopes of the inner and the outer activation.
    pub slopes: [f32; 2],
    /// PixelShuffle's factor; 1 for none.
    pub shuffle: usize,
}

impl ConvShape {
    /// A 3×3 convolution of stride 1 of one map that keeps the size, without activation.
    pub const fn same(size: [usize; 2], in_channels: usize, out_channels: usize) -> Self {
        Self {
            items: 1,
            size,
            in_channels,
            out_channels,
            kernel: 3,
            stride: 1,
            dilation: 1,
            padding: 1,
            residual: None,
            beside: [0, 0],
            slopes: [1.0, 1.0],
            shuffle: 1,
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

    /// Height and width of what is made, before its pixels become squares.
    pub fn out_size(&self) -> [usize; 2] {
        let extent = self.dilation * (self.kernel - 1) + 1;
        self.size
            .map(|side| (side + 2 * self.padding - extent) / self.stride + 1)
    }

    /// With what an epilogue needs: half the output's size to add, or channels of others beside, of squares too.
    pub(in crate::kernels) fn with(self, epilogue: Epilogue) -> Self {
        match epilogue {
            Epilogue::Residual(upsampling) => Self {
                residual: Some((self.out_size().map(|side| side.div_ceil(2)), upsampling)),
                slopes: [1.0, 0.1],
                ..self
            },
            _ => Self {
                beside: [4, 8],
                slopes: [0.0, 1.0],
                shuffle: if epilogue == Epilogue::Shuffled { 2 } else { 1 },
                ..self
            },
        }
    }

    /// What the convolution's kernels are told.
    pub(in crate::kernels) fn params(&self, [first_tile, tiles]: [usize; 2]) -> Params {
        let [before, after] = self.beside.map(blocks);
        let [in_blocks, cell_blocks] = [self.in_channels, self.out_channels].map(blocks);
        let out_blocks = self.out_blocks();
        let residual_size = self.residual.map_or([1, 1], |(size, _)| size);
        let [height, width] = self.out_size();
        Params {
            in_size: words(self.size),
            out_size: words(self.out_size()),
            in_blocks: in_blocks as u32,
            out_blocks: out_blocks as u32,
            out_stride: (before + cell_blocks + after) as u32,
            out_first: before as u32,
            kernel: words([self.kernel; 2]),
            stride: words([self.stride; 2]),
            dilation: words([self.dilation; 2]),
            padding: words([self.padding; 2]),
            residual_size: words(residual_size),
            inner_slope: self.slopes[0],
            outer_slope: self.slopes[1],
            items: self.items as u32,
            pixels: (self.items * height * width) as u32,
            first_tile: first_tile as u32,
            tiles: tiles as u32,
            group_in_blocks: in_blocks as u32,
            group_out_blocks: out_blocks as u32,
            shuffle: self.shuffle as u32,
            cell_blocks: cell_blocks as u32,
        }
    }

    /// Channel blocks that are computed of a pixel: all cells of its square.
    pub(in crate::kernels) fn out_blocks(&self) -> usize {
        self.shuffle * self.shuffle * blocks(self.out_channels)
    }

    /// Of a kernel that has a bias.
    pub(in crate::kernels) fn epilogue(&self) -> Epilogue {
        match (self.residual, self.shuffle) {
            (Some((_, upsampling)), _) => Epilogue::Residual(upsampling),
            (None, 1) => Epilogue::Bias,
            (None, _) => Epilogue::Shuffled,
        }
    }

    /// Bias, and the map that is added.
    pub(in crate::kernels) fn epilogue_bindings(&self, random: &mut Random) -> Vec<Vec<u32>> {
        let channels = self.out_blocks() * 4;
        let mut bindings = vec![random.floats(channels)];
        if let Some(([height, width], _)) = self.residual {
            bindings.push(random.floats(self.items * height * width * channels));
        }
        bindings
    }

    /// The maps that are convolved.
    pub(in crate::kernels) fn image(&self, random: &mut Random) -> Vec<u32> {
        let cells = self.items * self.size[0] * self.size[1];
        random.floats(cells * blocks(self.in_channels) * 4)
    }

    /// Room for the maps that are made, and what lies beside them.
    pub(in crate::kernels) fn result(&self) -> Vec<u32> {
        let params = self.params([0, 0]);
        let pixels = params.pixels * params.shuffle * params.shuffle;
        unwritten((pixels * params.out_stride * 4) as usize)
    }
}

/// The convolution by some form, with bias, and with a residual where the shape has one.
pub fn case(form: ConvForm, shape: ConvShape, random: &mut Random) -> Case {
    let params = shape.params([0, 0]);
    let (in_blocks, out_blocks) = (blocks(shape.in_channels), shape.out_blocks());
    let mut bindings = vec![
        shape.image(random),
        shape.result(),
        random.floats(shape.kernel * shape.kernel * in_blocks * 4 * out_blocks * 4),
    ];
    bindings.extend(shape.epilogue_bindings(random));
    let dispatch = params.dispatch(form, shape.epilogue(), 1, Dtypes::F32);
    Case::new(format!("{shape:?}"), dispatch, bindings)
}

/// Several matrices of so many rows by some form, the sums alone.
pub fn products(
    form: ConvForm,
    matrices: usize,
    rows: usize,
    [in_channels, out_channels]: [usize; 2],
    random: &mut Random,
) -> Case {
    let [in_blocks, out_blocks] = [in_channels, out_channels].map(blocks);
    let params = Params::matrix(rows, in_channels, out_channels);
    let bindings = vec![
        random.floats(matrices * rows * in_blocks * 4),
        unwritten(matrices * rows * out_blocks * 4),
        random.floats(matrices * in_blocks * 4 * out_blocks * 4),
    ];
    Case::new(
        format!("{matrices} products [{rows}, {in_channels}] · [{in_channels}, {out_channels}]"),
        params.dispatch(form, Epilogue::None, matrices, Dtypes::F32),
        bindings,
    )
}

fn cases(kernel: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let (form, epilogue) = variant(kernel).expect("the kernel is a convolution's");
    match epilogue {
        Epilogue::None => [(1, 1, [4, 4]), (36, 13, [64, 48]), (3, 70, [17, 70])]
            .map(|(matrices, rows, channels)| products(form, matrices, rows, channels, random))
            .to_vec(),
        Epilogue::Bias => plain_shapes()
            .map(|shape| case(form, shape, random))
            .to_vec(),
        Epilogue::Residual(upsampling) => residual_shapes(upsampling)
            .map(|shape| case(form, shape, random))
            .to_vec(),
        Epilogue::Shuffled => shuffled_shapes()
            .map(|shape| case(form, shape, random))
            .to_vec(),
    }
}

fn plain_shapes() -> [ConvShape; 16] {
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
        // Several maps, whose pixels share tiles; taps apart.
        ConvShape {
            items: 3,
            ..same([7, 5], 9, 20)
        },
        ConvShape {
            dilation: 2,
            ..same([9, 8], 12, 16).window(3, 1, 2)
        },
        ConvShape {
            items: 5,
            dilation: 3,
            beside: [4, 4],
            ..same([8, 7], 6, 7).window(3, 2, 2)
        },
    ]
}

fn shuffled_shapes() -> [ConvShape; 5] {
    let shuffled = |shuffle, shape| ConvShape { shuffle, ..shape };
    let same = ConvShape::same;
    [
        // Of each cell no whole blocks, and more than one.
        shuffled(2, same([7, 9], 20, 85).window(1, 1, 0)),
        shuffled(3, same([5, 8], 12, 5)),
        ConvShape {
            slopes: [0.1, 1.0],
            beside: [8, 4],
            ..shuffled(2, same([9, 6], 16, 16))
        },
        shuffled(3, same([11, 9], 8, 1).window(3, 2, 1)),
        ConvShape {
            items: 3,
            ..shuffled(2, same([1, 5], 4, 8))
        },
    ]
}

fn residual_shapes(upsampling: Upsampling) -> [ConvShape; 6] {
    let same = ConvShape::same;
    let slopes = [1.0, 0.0];
    [
        ConvShape {
            residual: Some(([7, 9], upsampling)),
            slopes,
            ..same([7, 9], 16, 12)
        },
        ConvShape {
            residual: Some(([4, 5], upsampling)),
            ..same([7, 9], 30, 64).window(1, 1, 0)
        },
        ConvShape {
            residual: Some(([3, 5], upsampling)),
            slopes: [0.0, 0.1],
            ..same([8, 13], 8, 8)
        },
        ConvShape {
            residual: Some(([1, 1], upsampling)),
            slopes,
            ..same([1, 1], 64, 64).window(1, 1, 0)
        },
        ConvShape {
            residual: Some(([5, 6], upsampling)),
            ..same([10, 11], 12, 12).window(3, 2, 1)
        },
        ConvShape {
            items: 3,
            residual: Some(([3, 4], upsampling)),
            ..same([5, 7], 12, 12)
        },
    ]
}
