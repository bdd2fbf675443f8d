//! A map for each pyramid level, as an extension operation takes them. Burn carries tensors across its
//! dispatch in structs, and derives how for those of so many tensors; this one has as many as there are
//! levels.

use burn::backend::{
    Backend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    ExtensionType, tensor::FloatTensor,
};
use burn::tensor::Tensor;

/// The maps `[N, C, H, W]` of the levels, finest first.
pub struct Levels<B: Backend>(pub Vec<FloatTensor<B>>);

/// Height and width of each map `[N, C, H, W]`.
pub(super) fn sizes(maps: &[Tensor<4>]) -> Vec<[usize; 2]> {
    let size = |map: &Tensor<4>| {
        let [_, _, height, width] = map.dims();
        [height, width]
    };
    maps.iter().map(size).collect()
}

impl From<Vec<Tensor<4>>> for Levels<Dispatch> {
    fn from(maps: Vec<Tensor<4>>) -> Self {
        Self(maps.into_iter().map(Tensor::into_dispatch).collect())
    }
}

impl<B: Backend> ExtensionType<B> for Levels<B> {
    type Target = Levels<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let wrap = |level| DispatchTensor {
            kind: map_kind(BackendTensor::Float(level)),
            autodiff,
        };
        Levels(self.0.into_iter().map(wrap).collect())
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        let levels = target.0.into_iter();
        Self(levels.map(|level| unwrap_kind(level).float()).collect())
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn routing_float_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        let contexts = target.0.iter().map(|level| level.autodiff);
        contexts.fold(
            DispatchAutodiffContext::Disabled,
            DispatchAutodiffContext::merge,
        )
    }
}
