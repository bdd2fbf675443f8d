//! Constants: layers' parameters in the order the kernels read them, with batch norms folded in.

use half::f16;
use wgpu::{Buffer, BufferUsages};

use super::Gpu;
use super::memory::buffer;
use super::winograd;
use crate::builder::BuildError;
use crate::plan::{Constant, ConstantPart, Number, Plan};
use crate::weights::{StoredTensor, WeightsError};

/// Values that are sent to the device at once.
const UPLOAD: usize = 1 << 20;

/// The constants of a model on one device; plans of all sizes use the same.
#[derive(Debug)]
pub(super) struct Store {
    constants: Vec<(Constant, Buffer)>,
}

/// The parameter at a path, in PyTorch's layout.
pub(crate) type Parameter<'a> = dyn Fn(&str) -> StoredTensor + 'a;

impl Store {
    /// Pack and upload what `plan` needs, one constant after the other, in slices with a `pause`
    /// between them.
    ///
    /// # Errors
    /// If a parameter cannot be read, or the GPU fails.
    pub async fn new(
        gpu: &Gpu,
        plan: &Plan,
        parameter: &Parameter<'_>,
        pause: &impl AsyncFn(),
    ) -> Result<Self, BuildError> {
        let mut constants = Vec::with_capacity(plan.constants.len());
        for constant in &plan.constants {
            let values = pack(constant, parameter, pause).await?;
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let size = constant.number.quad_bytes() / 4;
            let buffer =
                gpu.guarded(|| buffer(gpu, &constant.weight, values.len() * size, usage))?;
            for (part, first) in values.chunks(UPLOAD).zip((0..).step_by(UPLOAD)) {
                let bytes = bytes_of(part, constant.number);
                let offset = (first * size) as u64;
                gpu.guarded(|| gpu.queue.write_buffer(&buffer, offset, &bytes))?;
                pause().await;
            }
            // So that what is on its way does not pile up.
            gpu.queue.submit([]);
            constants.push((constant.clone(), buffer));
        }
        Ok(Self { constants })
    }

    /// Bytes of all constants.
    pub fn bytes(&self) -> usize {
        let sizes = self.constants.iter().map(|(_, buffer)| buffer.size());
        sizes.sum::<u64>() as usize
    }

    pub fn buffer(&self, constant: &Constant) -> &Buffer {
        let found = self.constants.iter().find(|(known, _)| known == constant);
        &found
            .expect("the plans of a model differ in sizes, not in constants")
            .1
    }
}

/// The constant's values as its kernel reads them.
pub(crate) async fn pack(
    constant: &Constant,
    parameter: &Parameter<'_>,
    pause: &impl AsyncFn(),
) -> Result<Vec<f32>, WeightsError> {
    let fold = constant
        .norm
        .as_ref()
        .map(|norm| Fold::read(norm, parameter))
        .transpose()?;
    let weight = parameter(&constant.weight);
    if constant.part == ConstantPart::Bias {
        let bias = constant.bias.as_ref().map(|path| parameter(path).read());
        let bias = bias.unwrap_or_else(|| Ok(vec![0.0; weight.shape[0]]));
        return Ok(pack_bias(bias?, fold));
    }
    let layout = Layout::new(constant.part, &weight.shape);
    let mut packed = vec![0.0; layout.taps * layout.rows * layout.columns];
    let filter = weight.shape[1..].iter().product();
    for part in weight.parts() {
        let (first, mut values) = part?;
        if let Some(fold) = &fold {
            for (filter, scale) in values.chunks_exact_mut(filter).zip(&fold.scale[first..]) {
                filter.iter_mut().for_each(|value| *value *= scale);
            }
        }
        for (filter, output) in values.chunks_exact(filter).zip(first..) {
            match constant.part {
                ConstantPart::Winograd => {
                    layout.put(&mut packed, &winograd::transformed(filter), output);
                }
                _ => layout.put(&mut packed, filter, output),
            }
        }
        pause().await;
    }
    Ok(packed)
}

fn bytes_of(values: &[f32], number: Number) -> Vec<u8> {
    match number {
        Number::F32 => bytemuck::cast_slice(values).to_vec(),
        Number::F16 => {
            let halves: Vec<u16> = values
                .iter()
                .map(|value| f16::from_f32(*value).to_bits())
                .collect();
            bytemuck::cast_slice(&halves).to_vec()
        }
    }
}

fn pack_bias(mut bias: Vec<f32>, fold: Option<Fold>) -> Vec<f32> {
    if let Some(fold) = &fold {
        for (channel, value) in bias.iter_mut().enumerate() {
            *value = *value * fold.scale[channel] + fold.shift[channel];
        }
    }
    bias.resize(bias.len().next_multiple_of(4), 0.0);
    bias
}

/// A batch norm as one multiplication and one addition a channel.
struct Fold {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Fold {
    fn read((path, eps): &(String, f64), parameter: &Parameter<'_>) -> Result<Self, WeightsError> {
        let part = |name: &str| parameter(&format!("{path}.{name}")).read();
        let (gamma, beta) = (part("weight")?, part("bias")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let scale: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| {
                (f64::from(*gamma) / (f64::from(*variance) + eps).sqrt()) as f32
            })
            .collect();
        let shift = beta
            .iter()
            .zip(mean.iter().zip(&scale))
            .map(|(beta, (mean, scale))| beta - mean * scale)
            .collect();
        Ok(Self { scale, shift })
    }
}

/// Filters `[out, in, ky, kx]` as `[ky][kx][in][out]`, channels rounded up to fours with zeros. A
/// matrix is filters of 1 × 1, or, where its inputs are flattened maps, of a map's size.
struct Layout {
    /// Outputs.
    columns: usize,
    /// Inputs; 1 where every channel has a filter of its own.
    rows: usize,
    /// Values of a filter for one input.
    taps: usize,
}

impl Layout {
    fn new(part: ConstantPart, shape: &[usize]) -> Self {
        let (rows, taps) = match part {
            ConstantPart::Dense => (shape[1].next_multiple_of(4), shape[2] * shape[3]),
            ConstantPart::Winograd => (shape[1].next_multiple_of(4), winograd::FREQUENCIES),
            ConstantPart::Depthwise => (1, shape[2] * shape[3]),
            ConstantPart::Linear(None) => (shape[1].next_multiple_of(4), 1),
            ConstantPart::Linear(Some([channels, height, width])) => {
                (channels.next_multiple_of(4), height * width)
            }
            ConstantPart::Bias => unreachable!("a bias has no filters"),
        };
        Self {
            columns: shape[0].next_multiple_of(4),
            rows,
            taps,
        }
    }

    /// Put the filter of one output, `[in, ky, kx]`, where it belongs.
    fn put(&self, packed: &mut [f32], filter: &[f32], output: usize) {
        for (input, values) in filter.chunks_exact(self.taps).enumerate() {
            for (tap, value) in values.iter().enumerate() {
                packed[(tap * self.rows + input) * self.columns + output] = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(constant: &Constant, parameter: &Parameter<'_>) -> Vec<f32> {
        pollster::block_on(pack(constant, parameter, &async || {})).expect("the values are there")
    }

    #[test]
    fn a_flattened_maps_inputs_follow_memory() {
        // Two channels of 1 × 2 cells; one output.
        let matrix = |_: &str| StoredTensor::whole(vec![1, 4], || Ok(vec![1.0, 2.0, 3.0, 4.0]));
        let constant = Constant {
            part: ConstantPart::Linear(Some([2, 1, 2])),
            number: Number::F32,
            weight: "fc.weight".to_owned(),
            bias: None,
            norm: None,
        };
        let packed = packed(&constant, &matrix);
        let first_output: Vec<f32> = packed.chunks_exact(4).map(|row| row[0]).collect();
        assert_eq!(first_output, [1.0, 3.0, 0.0, 0.0, 2.0, 4.0, 0.0, 0.0]);
    }

    #[test]
    fn a_batch_norm_is_folded_into_weight_and_bias() {
        let parameter = |path: &str| {
            let (shape, value) = match path {
                "conv.weight" => (vec![1, 1, 1, 1], 2.0),
                "norm.weight" => (vec![1], 3.0),
                "norm.bias" => (vec![1], 5.0),
                "norm.running_mean" => (vec![1], 7.0),
                _ => (vec![1], 4.0),
            };
            StoredTensor::whole(shape, move || Ok(vec![value]))
        };
        let constant = |part| Constant {
            part,
            number: Number::F32,
            weight: "conv.weight".to_owned(),
            bias: None,
            norm: Some(("norm".to_owned(), 0.0)),
        };
        // 3 · (2 x − 7) / √4 + 5 = 3 x − 5.5
        let dense = packed(&constant(ConstantPart::Dense), &parameter);
        let bias = packed(&constant(ConstantPart::Bias), &parameter);
        assert_eq!((dense[0], bias[0]), (3.0, -5.5));
    }
}
