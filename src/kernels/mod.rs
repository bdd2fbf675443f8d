//! The kernels, a folder each: parameters, record (shader, roles of the bindings, dtypes), CPU
//! reference, and the cases that the two are compared over. The shaders' text lies in `shaders/`.

#[cfg(feature = "verify")]
mod activation;
pub(crate) mod anchors;
#[cfg(feature = "verify")]
mod antialias;
mod axis;
#[cfg(feature = "verify")]
mod bilinear;
#[cfg(feature = "verify")]
pub mod checks;
mod dtype;
mod frame;
mod kernel;
#[cfg(feature = "verify")]
mod lanes;
mod layout;
#[cfg(feature = "verify")]
mod order;
pub(crate) mod params;
mod role;

pub mod chain;
pub mod check_finite;
pub mod conv;
pub mod copy;
pub mod decode_anchors;
pub mod decode_dense;
pub mod decode_keypoints;
pub mod decode_proposals;
pub mod decode_rois;
pub mod depthwise;
pub mod group_statistics;
pub mod grouped;
pub mod layer_norm;
pub mod merge_proposals;
pub mod nms_levels;
pub mod pixel_shuffle;
pub mod pool;
pub mod preprocess;
pub mod product;
pub mod reduce;
pub mod roi_align;
pub mod roi_pool;
pub mod select_detections;
pub mod select_masks;
pub mod softmax;
pub mod top_anchors;
pub mod top_scores;
pub mod upsample;
pub mod upsample_add;
pub mod window_attention;
pub mod winograd_input;
pub mod winograd_output;

pub use anchors::MAX_ANCHORS;
pub use dtype::{Dtype, Dtypes};
pub use frame::FrameUniform;
pub(crate) use kernel::words;
pub use kernel::{Def, Dispatch, Kernel, MAX_WORKGROUPS, Shader, blocks};
pub use layout::Layout;
pub use params::Field;
pub use role::{Access, Role};

/// The kernels of each folder, in all their variants.
const FOLDERS: &[fn() -> Vec<&'static Kernel>] = &[
    preprocess::kernels,
    conv::kernels,
    winograd_input::kernels,
    winograd_output::kernels,
    depthwise::kernels,
    grouped::kernels,
    pool::kernels,
    upsample::kernels,
    upsample_add::kernels,
    copy::kernels,
    chain::kernels,
    reduce::kernels,
    softmax::kernels,
    layer_norm::kernels,
    group_statistics::kernels,
    product::kernels,
    pixel_shuffle::kernels,
    window_attention::kernels,
    roi_align::kernels,
    roi_pool::kernels,
    top_anchors::kernels,
    decode_proposals::kernels,
    nms_levels::kernels,
    merge_proposals::kernels,
    decode_rois::kernels,
    decode_anchors::kernels,
    top_scores::kernels,
    decode_dense::kernels,
    select_detections::kernels,
    select_masks::kernels,
    decode_keypoints::kernels,
    check_finite::kernels,
];

/// All kernels in all their variants.
pub fn all() -> Vec<&'static Kernel> {
    FOLDERS.iter().flat_map(|kernels| kernels()).collect()
}
