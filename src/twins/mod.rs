//! CPU twins of the kernels in `shaders/`, a file each under the same name: the same arithmetic in
//! the same order over the same memory, to be read beside the WGSL. Where a kernel has lanes, its
//! twin has a loop; how lanes share their work is left out.
//!
//! Parameters come as the words of the kernel's uniform buffer, buffers as slices in the order of
//! their bindings.
#![allow(clippy::needless_range_loop)] // an index stands for a lane

mod activation;
mod check_finite;
mod conv;
mod decode_anchors;
mod decode_proposals;
mod decode_rois;
mod depthwise;
mod frame;
mod grouped;
mod max_pool;
mod merge_proposals;
mod nms_levels;
mod order;
mod preprocess;
mod rank_candidates;
mod roi_align;
mod select_detections;
mod top_anchors;
mod upsample_add;
mod winograd_input;
mod winograd_output;

pub use check_finite::check_finite;
pub use conv::conv;
pub use decode_anchors::decode_anchors;
pub use decode_proposals::decode_proposals;
pub use decode_rois::decode_rois;
pub use depthwise::depthwise;
pub use frame::Frame;
pub use grouped::grouped;
pub use max_pool::max_pool;
pub use merge_proposals::merge_proposals;
pub use nms_levels::nms_levels;
pub use order::key;
pub use preprocess::preprocess;
pub use rank_candidates::rank_candidates;
pub use roi_align::roi_align;
pub use select_detections::select_detections;
pub use top_anchors::top_anchors;
pub use upsample_add::upsample_add;
pub use winograd_input::winograd_input;
pub use winograd_output::winograd_output;

use bytemuck::{cast_slice as read, cast_slice_mut as write};

use crate::plan::Kernel;

/// Four channels of a pixel, or a box.
pub type Vec4 = [f32; 4];

/// Run a kernel's twin: `params` are the words of binding 0, `bindings` those of the buffers from
/// binding 1 on, `groups` the workgroups.
///
/// # Panics
/// If the parameters or bindings are not the kernel's, or a buffer is too small.
pub fn run(kernel: Kernel, params: &[u32], groups: [u32; 3], bindings: &mut [Vec<u32>]) {
    match (kernel, bindings) {
        (Kernel::Preprocess, [frame, picture, image]) => {
            preprocess(params, Frame::from_words(frame), picture, write(image));
        }
        (Kernel::Conv(_, _), [image, result, weights, epilogue @ ..]) => {
            let [bias, residual] = [0, 1].map(|index| epilogue.get(index).map(|b| read(b)));
            let (image, weights) = (read(image), read(weights));
            let batches = groups[2] as usize;
            conv(
                params,
                batches,
                image,
                write(result),
                weights,
                bias,
                residual,
            );
        }
        (Kernel::WinogradInput, [image, result]) => {
            winograd_input(params, read(image), write(result));
        }
        (Kernel::WinogradOutput(_), [image, result, bias, residual @ ..]) => {
            let residual = residual.first().map(|b| read(b));
            winograd_output(params, read(image), write(result), read(bias), residual);
        }
        (Kernel::Depthwise, [image, weights, bias, result]) => {
            let (image, weights, bias) = (read(image), read(weights), read(bias));
            depthwise(params, image, weights, bias, write(result));
        }
        (Kernel::Grouped(_), [image, result, weights, bias, residual @ ..]) => {
            let (image, weights, bias) = (read(image), read(weights), read(bias));
            let residual = residual.first().map(|b| read(b));
            grouped(params, image, write(result), weights, bias, residual);
        }
        (Kernel::MaxPool, [image, result]) => max_pool(params, read(image), write(result)),
        (Kernel::UpsampleAdd, [fine, coarse, result]) => {
            upsample_add(params, read(fine), read(coarse), write(result));
        }
        (Kernel::RoiAlign, [p2, p3, p4, p5, boxes, count, result]) => {
            let levels = [read(p2), read(p3), read(p4), read(p5)];
            roi_align(params, levels, read(boxes), count, write(result));
        }
        (Kernel::TopAnchors, [logits, chosen]) => top_anchors(params, read(logits), chosen),
        (Kernel::DecodeProposals, [frame, logits, deltas, chosen, boxes, keys]) => {
            let frame = Frame::from_words(frame);
            let (logits, deltas) = (read(logits), read(deltas));
            decode_proposals(params, frame, logits, deltas, chosen, write(boxes), keys);
        }
        (Kernel::NmsLevels, [boxes, keys]) => nms_levels(params, groups, read(boxes), keys),
        (Kernel::MergeProposals, [boxes, keys, proposals, levels, count]) => {
            merge_proposals(params, read(boxes), keys, write(proposals), levels, count);
        }
        (
            Kernel::DecodeRois,
            [
                frame,
                logits,
                deltas,
                proposals,
                levels,
                proposal_count,
                candidates,
                count,
            ],
        ) => decode_rois(
            params,
            Frame::from_words(frame),
            read(logits),
            read(deltas),
            read(proposals),
            levels,
            proposal_count,
            write(candidates),
            count,
        ),
        (Kernel::DecodeAnchors, [classes, boxes, landmarks, candidates, count]) => {
            let (classes, boxes, landmarks) = (read(classes), read(boxes), read(landmarks));
            decode_anchors(params, classes, boxes, landmarks, write(candidates), count);
        }
        (Kernel::RankCandidates, [candidates, count, order]) => {
            rank_candidates(params, read(candidates), count, order);
        }
        (Kernel::SelectDetections, [frame, candidates, count, order, alive, results]) => {
            let frame = Frame::from_words(frame);
            select_detections(
                params,
                frame,
                read(candidates),
                count,
                order,
                alive,
                results,
            );
        }
        (Kernel::CheckFinite, [map, results]) => check_finite(params, map, results),
        (kernel, bindings) => panic!("{kernel:?} does not bind {} buffers", bindings.len()),
    }
}

/// A kernel's parameters as numbers.
fn words<const N: usize>(params: &[u32]) -> [usize; N] {
    let words: [u32; N] = params.try_into().expect("the kernel's parameters");
    words.map(|word| word as usize)
}

/// A parameter that is a float.
fn float(word: usize) -> f32 {
    f32::from_bits(word as u32)
}
