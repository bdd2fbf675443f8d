//! From a checkpoint's parameters to a plan's constants.

use super::{StoredTensor, WeightsError};
use crate::kernels::Layout;
use crate::kernels::conv::{Fold, Packing, WeightLayout, cells, packed_bias};
use crate::plan::{Constant, ConstantPart, ConstantSource, LayerConstant, TensorConstant};

/// The parameter at a path, in PyTorch's layout.
pub(crate) type ReadParameter<'a> = dyn Fn(&str) -> StoredTensor + 'a;

/// The constant's values as its kernel reads them, packed in slices with a `pause` between them.
///
/// # Errors
/// If a parameter cannot be read.
pub(crate) async fn pack(
    constant: &Constant,
    parameter: &ReadParameter<'_>,
    pause: &impl AsyncFn(),
) -> Result<Vec<f32>, WeightsError> {
    match constant {
        Constant::Layer(layer) => pack_layer(layer, parameter, pause).await,
        Constant::Tensor(tensor) => pack_tensor(tensor, parameter),
    }
}

fn pack_tensor(
    tensor: &TensorConstant,
    parameter: &ReadParameter<'_>,
) -> Result<Vec<f32>, WeightsError> {
    let (shape, values) = match &tensor.source {
        ConstantSource::Literal(literal) => (literal.shape.clone(), literal.values.to_vec()),
        ConstantSource::Parameter(path) => {
            let stored = parameter(path);
            (stored.shape.clone(), stored.read()?)
        }
    };
    let inner = tensor.inner;
    let layout = Layout { shape, inner };
    let mut packed = vec![0.0; 4 * layout.all_blocks()];
    for (place, value) in layout.places().zip(values) {
        packed[place] = value;
    }
    Ok(packed)
}

async fn pack_layer(
    constant: &LayerConstant,
    parameter: &ReadParameter<'_>,
    pause: &impl AsyncFn(),
) -> Result<Vec<f32>, WeightsError> {
    let norm = constant.norm.as_ref();
    let fold = norm.map(|norm| read_fold(norm, parameter)).transpose()?;
    let weight = parameter(&constant.weight);
    let layout = match constant.part {
        ConstantPart::Weights(layout) => layout,
        ConstantPart::Bias => {
            let bias = constant.bias.as_ref().map(|path| parameter(path).read());
            let bias = bias.unwrap_or_else(|| Ok(vec![0.0; weight.shape[0]]));
            return Ok(packed_bias(&bias?, fold.as_ref(), constant.shuffle));
        }
        ConstantPart::CellsBias(cells) => {
            let bias = constant.bias.as_ref().map(|path| parameter(path).read());
            let bias = bias.unwrap_or_else(|| Ok(vec![0.0; weight.shape[1]]));
            return Ok(packed_bias(&bias?.repeat(cells), None, 1));
        }
    };
    if let WeightLayout::Transposed(stride) = layout {
        let shape = weight.shape[..].try_into();
        let shape = shape.expect("the graph knows that the weight has four dimensions");
        let (shape, values) = cells(&weight.read()?, shape, stride);
        let mut packing = Packing::new(layout, &shape, 1);
        packing.add(0, values, None);
        return Ok(packing.finish());
    }
    let mut packing = Packing::new(layout, &weight.shape, constant.shuffle);
    for part in weight.parts() {
        let (first, values) = part?;
        packing.add(first, values, fold.as_ref());
        pause().await;
    }
    Ok(packing.finish())
}

fn read_fold(
    (path, eps): &(String, f64),
    parameter: &ReadParameter<'_>,
) -> Result<Fold, WeightsError> {
    let part = |name: &str| parameter(&format!("{path}.{name}")).read();
    let (gamma, beta) = (part("weight")?, part("bias")?);
    let (mean, variance) = (part("running_mean")?, part("running_var")?);
    Ok(Fold::new([&gamma, &beta, &mean, &variance], *eps))
}
