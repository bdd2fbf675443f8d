//! RoIPool where gradients are asked for.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};

use super::{RoiPoolOps, RoiPoolOptions};

#[derive(Debug)]
struct Pool;

impl<B: RoiPoolOps> Backward<B, 1> for Pool {
    type State = (FloatTensor<B>, FloatTensor<B>, IntTensor<B>, RoiPoolOptions);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (map, boxes, count, options) = ops.state;
        let [node] = ops.parents;
        if let Some(node) = node {
            let gradient = B::roi_pool_backward(gradient, map, boxes, count, options);
            gradients.register::<B>(node.id, gradient);
        }
    }
}

impl<B: RoiPoolOps, C: CheckpointStrategy> RoiPoolOps for Autodiff<B, C> {
    fn roi_pool(
        map: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiPoolOptions,
    ) -> FloatTensor<Self> {
        let nodes = [map.node()];
        let (map, boxes) = (map.into_primitive(), boxes.into_primitive());
        match Pool.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let rois = B::roi_pool(map.clone(), boxes.clone(), count.clone(), options);
                prepared.finish((map, boxes, count, options), rois)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::roi_pool(map, boxes, count, options))
            }
        }
    }

    fn roi_pool_backward(
        _gradient: FloatTensor<Self>,
        _map: FloatTensor<Self>,
        _boxes: FloatTensor<Self>,
        _count: IntTensor<Self>,
        _options: RoiPoolOptions,
    ) -> FloatTensor<Self> {
        unreachable!("RoIPool has no second derivative")
    }
}
