//! Attention within windows where gradients are asked for.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use super::{WindowAttentionOps, WindowAttentionOptions};

#[derive(Debug)]
struct Attend;

impl<B: WindowAttentionOps> Backward<B, 2> for Attend {
    type State = (FloatTensor<B>, FloatTensor<B>, WindowAttentionOptions, f32);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (qkv, bias, options, scale) = ops.state;
        let (qkv, bias) = B::window_attention_backward(gradient, qkv, bias, options, scale);
        for (node, gradient) in ops.parents.into_iter().zip([qkv, bias]) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: WindowAttentionOps, C: CheckpointStrategy> WindowAttentionOps for Autodiff<B, C> {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: WindowAttentionOptions,
        scale: f32,
    ) -> FloatTensor<Self> {
        let nodes = [qkv.node(), bias.node()];
        let (qkv, bias) = (qkv.into_primitive(), bias.into_primitive());
        match Attend.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let seen = B::window_attention(qkv.clone(), bias.clone(), options, scale);
                prepared.finish((qkv, bias, options, scale), seen)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::window_attention(qkv, bias, options, scale))
            }
        }
    }

    fn window_attention_backward(
        _gradient: FloatTensor<Self>,
        _qkv: FloatTensor<Self>,
        _bias: FloatTensor<Self>,
        _options: WindowAttentionOptions,
        _scale: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("attention within windows has no second derivative")
    }
}
