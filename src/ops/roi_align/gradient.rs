//! RoIAlign where gradients are asked for.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};

use super::{RoiAlignOps, RoiAlignOptions};
use crate::ops::levels::Levels;

#[derive(Debug)]
struct Align;

/// For as many levels as a call has: Burn knows the parents of an operation by an array.
impl<B: RoiAlignOps, const N: usize> Backward<B, N> for Align {
    type State = (
        FloatTensor<B>,
        IntTensor<B>,
        Vec<[usize; 4]>,
        RoiAlignOptions,
    );

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (boxes, count, shapes, options) = ops.state;
        let levels = B::roi_align_backward(gradient, boxes, count, shapes, options);
        for (node, level) in ops.parents.into_iter().zip(levels.0) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, level);
            }
        }
    }
}

/// RoIAlign over `N` levels.
fn align<B: RoiAlignOps, C: CheckpointStrategy, const N: usize>(
    levels: Levels<Autodiff<B, C>>,
    boxes: FloatTensor<B>,
    count: IntTensor<B>,
    options: RoiAlignOptions,
) -> FloatTensor<Autodiff<B, C>> {
    let levels = levels.0;
    let shapes = levels.iter().map(|level| level.shape().dims()).collect();
    let nodes = std::array::from_fn::<_, N, _>(|level| levels[level].node());
    let levels = levels.into_iter().map(|level| level.into_primitive());
    let levels = Levels(levels.collect());
    match Align.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let rois = B::roi_align(levels, boxes.clone(), count.clone(), options.clone());
            prepared.finish((boxes, count, shapes, options), rois)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(B::roi_align(levels, boxes, count, options))
        }
    }
}

impl<B: RoiAlignOps, C: CheckpointStrategy> RoiAlignOps for Autodiff<B, C> {
    fn roi_align(
        levels: Levels<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let align = match levels.0.len() {
            1 => align::<B, C, 1>,
            2 => align::<B, C, 2>,
            3 => align::<B, C, 3>,
            4 => align::<B, C, 4>,
            5 => align::<B, C, 5>,
            6 => align::<B, C, 6>,
            _ => unreachable!("no more levels are taken"),
        };
        align(levels, boxes.into_primitive(), count, options)
    }

    fn roi_align_backward(
        _gradient: FloatTensor<Self>,
        _boxes: FloatTensor<Self>,
        _count: IntTensor<Self>,
        _shapes: Vec<[usize; 4]>,
        _options: RoiAlignOptions,
    ) -> Levels<Self> {
        unreachable!("RoIAlign has no second derivative")
    }
}
