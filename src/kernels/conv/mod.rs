//! Convolution over maps of channel blocks, and matrix products, whose rows are pixels: several forms
//! that differ in how invocations share the work, with several epilogues.

#[cfg(feature = "verify")]
mod checks;
mod epilogue;
mod form;
mod pack;
#[cfg(feature = "verify")]
mod reference;
mod shuffle;
mod transposed;
mod winograd;

use std::collections::BTreeMap;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
use super::upsample_add::Upsampling;
#[cfg(feature = "verify")]
pub use checks::{ConvShape, case, products};
pub use epilogue::Epilogue;
pub use form::{ConvForm, UnknownForm};
pub use pack::{Fold, Packing, WeightLayout, packed_bias};
#[cfg(feature = "verify")]
pub(in crate::kernels) use reference::Residual;
pub(crate) use transposed::{cells, reach};
pub(crate) use winograd::FREQUENCIES;

use super::kernel::shader;
use super::params::params;
use super::{Def, Dispatch, Dtypes, Kernel, Role, blocks, words};

params! {
    /// What all kernels of a convolution are told, as `shaders/shared/conv.wgsl` has it.
    pub struct Params {
        /// Height and width of the input.
        in_size: [u32; 2],
        /// Height and width of the output.
        out_size: [u32; 2],
        /// Channel blocks of the input.
        in_blocks: u32,
        /// Channel blocks that this convolution makes.
        out_blocks: u32,
        /// Channel blocks of the output's pixels: others may write beside.
        out_stride: u32,
        /// Channel blocks before the convolution's own.
        out_first: u32,
        /// Height and width of the window.
        kernel: [u32; 2],
        /// Its step, down and across.
        stride: [u32; 2],
        /// Cells from one of its taps to the next, down and across.
        dilation: [u32; 2],
        /// Cells added above and to the left.
        padding: [u32; 2],
        /// Height and width of the map that is added.
        residual_size: [u32; 2],
        /// Slope of the activation after the bias; 1 for none.
        inner_slope: f32,
        /// Slope of the activation at the end; 1 for none.
        outer_slope: f32,
        /// Maps that are convolved alike, one behind the other.
        items: u32,
        /// Pixels of the outputs of all items.
        pixels: u32,
        /// Of a Winograd convolution's tiles, the first that is worked on.
        first_tile: u32,
        /// How many of them.
        tiles: u32,
        /// Channel blocks of a group's input; where there is one group, all.
        group_in_blocks: u32,
        /// Channel blocks that a group makes.
        group_out_blocks: u32,
        /// PixelShuffle's factor: cells along a side of the square that a pixel becomes; 1 for none.
        shuffle: u32,
        /// Channel blocks that are made of each of the square's cells.
        cell_blocks: u32,
    }
}

impl Params {
    /// A product of a matrix of so many rows, its sums as they are.
    pub fn matrix(rows: usize, in_channels: usize, out_channels: usize) -> Self {
        let size = words([1, rows]);
        let [in_blocks, out_blocks] = words([in_channels, out_channels].map(blocks));
        Self {
            in_size: size,
            out_size: size,
            in_blocks,
            out_blocks,
            out_stride: out_blocks,
            out_first: 0,
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [0, 0],
            residual_size: [1, 1],
            inner_slope: 1.0,
            outer_slope: 1.0,
            items: 1,
            pixels: rows as u32,
            first_tile: 0,
            tiles: 0,
            group_in_blocks: in_blocks,
            group_out_blocks: out_blocks,
            shuffle: 1,
            cell_blocks: out_blocks,
        }
    }

    /// So many products, one behind the other in all buffers; of one item each where there are several. Binds the map, the result, the weights,
    /// then what the epilogue adds: the bias, another map.
    pub fn dispatch(
        &self,
        form: ConvForm,
        epilogue: Epilogue,
        batches: usize,
        dtypes: Dtypes,
    ) -> Dispatch {
        let [pixels, blocks] = [self.pixels, self.out_blocks].map(|count| count as usize);
        let workgroups = form.workgroups(pixels, blocks, batches);
        Dispatch::new(kernel(form, epilogue).shader(dtypes), self, workgroups)
    }
}

static KERNELS: LazyLock<BTreeMap<(ConvForm, Epilogue), Kernel>> = LazyLock::new(|| {
    let variants = ConvForm::ALL
        .into_iter()
        .flat_map(|form| Epilogue::ALL.map(|epilogue| (form, epilogue)));
    let variants = variants.filter(|(form, epilogue)| form.has(*epilogue));
    variants.map(|variant| (variant, record(variant))).collect()
});

/// The kernel of a form with an epilogue.
///
/// # Panics
/// If the form [has](ConvForm::has) none.
pub fn kernel(form: ConvForm, epilogue: Epilogue) -> &'static Kernel {
    &KERNELS[&(form, epilogue)]
}

/// Form and epilogue of a kernel that is a convolution's.
pub fn variant(kernel: &Kernel) -> Option<(ConvForm, Epilogue)> {
    let mut all = KERNELS.iter();
    all.find(|(_, own)| *own == kernel)
        .map(|(variant, _)| *variant)
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.values().collect()
}

fn record((form, epilogue): (ConvForm, Epilogue)) -> Kernel {
    let shader = match form {
        ConvForm::Tiled => shader!("conv_tiled.wgsl"),
        _ => shader!("conv.wgsl"),
    };
    let mut kernel = Kernel::new(
        "conv",
        shader,
        Params::FIELDS,
        &[Role::MapIn, Role::MapOut, Role::Weights],
        #[cfg(feature = "verify")]
        match epilogue {
            Epilogue::Residual(Upsampling::Bilinear) => checks::CHECKS_BILINEAR,
            _ => checks::CHECKS,
        },
    )
    .with_dtypes(dtypes(form, epilogue));
    let number = |value: usize| Def::Number(value as u32);
    if let ConvForm::Registers(pixels) | ConvForm::Subgroup(pixels, _) = form {
        kernel.defs.to_mut().extend([
            ("PIXELS", number(pixels)),
            ("BLOCKS", number(form.tile()[1])),
            ("INVOCATIONS", number(form.invocations())),
        ]);
        if pixels == 8 {
            kernel.defs.to_mut().push(("EIGHT_PIXELS", Def::Flag));
        }
    }
    if let ConvForm::Subgroup(..) = form {
        kernel.defs.to_mut().push(("SUBGROUPS", Def::Flag));
        kernel.needs_subgroups = true;
    }
    epilogue.of(&format!("conv {form}"), kernel)
}

fn dtypes(form: ConvForm, epilogue: Epilogue) -> &'static [Dtypes] {
    match (form, epilogue) {
        // The products of Winograd's algorithm, whose transforms lose too much of 16 bits.
        (_, Epilogue::None) => &[Dtypes::F32],
        // Invocations hand each other values of 32 bits only.
        (ConvForm::Subgroup(..), _) => Dtypes::MAPS_AND_HEADS,
        _ => Dtypes::MAPS_AND_PRODUCTS,
    }
}
