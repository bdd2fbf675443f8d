//! Constants: layers' parameters in the order the kernels read them, with batch norms folded in.

use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{Buffer, BufferUsages};

use super::Gpu;
use super::device::Count;
use crate::plan::{Constant, ConstantPart, Plan};
use crate::weights::WeightsError;

/// The constants of a model on one device; plans of all sizes use the same.
#[derive(Debug)]
pub(super) struct Store {
    constants: Vec<(Constant, Buffer)>,
}

/// Values and shape of the parameter at a path, in PyTorch's layout.
pub(crate) type Read<'a> = dyn Fn(&str) -> Result<(Vec<f32>, Vec<usize>), WeightsError> + 'a;

impl Store {
    /// Pack and upload what `plan` needs, one constant after the other.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn new(gpu: &Gpu, plan: &Plan, read: &Read<'_>) -> Result<Self, WeightsError> {
        let mut constants = Vec::with_capacity(plan.constants.len());
        for constant in &plan.constants {
            let values = pack(constant, read)?;
            gpu.counters().add(Count::Buffer);
            let buffer = gpu.device.create_buffer_init(&BufferInitDescriptor {
                label: Some(&constant.weight),
                contents: bytemuck::cast_slice(&values),
                usage: BufferUsages::STORAGE,
            });
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
pub(crate) fn pack(constant: &Constant, read: &Read<'_>) -> Result<Vec<f32>, WeightsError> {
    let fold = constant
        .norm
        .as_ref()
        .map(|norm| Fold::read(norm, read))
        .transpose()?;
    if constant.part == ConstantPart::Bias {
        let mut bias = match &constant.bias {
            Some(path) => read(path)?.0,
            None => match &fold {
                Some(fold) => vec![0.0; fold.shift.len()],
                None => vec![0.0; read(&constant.weight)?.1[0]],
            },
        };
        if let Some(fold) = &fold {
            for (channel, value) in bias.iter_mut().enumerate() {
                *value = *value * fold.scale[channel] + fold.shift[channel];
            }
        }
        bias.resize(bias.len().next_multiple_of(4), 0.0);
        return Ok(bias);
    }
    let (mut values, shape) = read(&constant.weight)?;
    if let Some(fold) = &fold {
        let filter = values.len() / shape[0];
        for (filter, scale) in values.chunks_exact_mut(filter).zip(&fold.scale) {
            filter.iter_mut().for_each(|value| *value *= scale);
        }
    }
    Ok(match constant.part {
        ConstantPart::Dense => dense(&values, [shape[0], shape[1], shape[2], shape[3]]),
        ConstantPart::Winograd => winograd(&values, [shape[0], shape[1]]),
        ConstantPart::Depthwise => depthwise(&values, [shape[0], shape[2], shape[3]]),
        ConstantPart::Linear(layout) => linear(&values, [shape[0], shape[1]], layout),
        ConstantPart::Bias => unreachable!("handled above"),
    })
}

/// A batch norm as one multiplication and one addition a channel.
struct Fold {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Fold {
    fn read((path, eps): &(String, f64), read: &Read<'_>) -> Result<Self, WeightsError> {
        let part = |name: &str| -> Result<Vec<f32>, WeightsError> {
            Ok(read(&format!("{path}.{name}"))?.0)
        };
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

/// `[out, in, ky, kx]` → `[ky][kx][in][out]`, channels rounded up to fours with zeros.
fn dense(values: &[f32], [outputs, inputs, height, width]: [usize; 4]) -> Vec<f32> {
    let (rows, columns) = (inputs.next_multiple_of(4), outputs.next_multiple_of(4));
    let taps = height * width;
    let mut packed = vec![0.0; taps * rows * columns];
    for output in 0..outputs {
        for input in 0..inputs {
            let filter = &values[(output * inputs + input) * taps..][..taps];
            for (tap, value) in filter.iter().enumerate() {
                packed[(tap * rows + input) * columns + output] = *value;
            }
        }
    }
    packed
}

/// `[out, in, 3, 3]` → `G g Gᵀ` of each filter as `[36][in][out]`, channels rounded up to fours with
/// zeros.
fn winograd(values: &[f32], [outputs, inputs]: [usize; 2]) -> Vec<f32> {
    const G: [[f64; 3]; 6] = [
        [0.25, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let (rows, columns) = (inputs.next_multiple_of(4), outputs.next_multiple_of(4));
    let mut packed = vec![0.0; 36 * rows * columns];
    for (index, filter) in values.chunks_exact(9).enumerate() {
        let (output, input) = (index / inputs, index % inputs);
        let value = |y: usize, x: usize| f64::from(filter[y * 3 + x]);
        let down = G.map(|g| [0, 1, 2].map(|x| (0..3).map(|y| g[y] * value(y, x)).sum::<f64>()));
        for (frequency, place) in packed.chunks_exact_mut(rows * columns).enumerate() {
            let (left, right) = (down[frequency / 6], G[frequency % 6]);
            let product: f64 = left.iter().zip(right).map(|(a, b)| a * b).sum();
            place[input * columns + output] = product as f32;
        }
    }
    packed
}

/// `[channel, 1, ky, kx]` → `[ky][kx][channel]`.
fn depthwise(values: &[f32], [channels, height, width]: [usize; 3]) -> Vec<f32> {
    let columns = channels.next_multiple_of(4);
    let taps = height * width;
    let mut packed = vec![0.0; taps * columns];
    for (channel, filter) in values.chunks_exact(taps).enumerate() {
        for (tap, value) in filter.iter().enumerate() {
            packed[tap * columns + channel] = *value;
        }
    }
    packed
}

/// `[out, in]` → `[in][out]`; inputs that are flattened maps `[C, H, W]` go into memory's order.
fn linear(values: &[f32], [outputs, inputs]: [usize; 2], layout: Option<[usize; 3]>) -> Vec<f32> {
    let [channels, height, width] = layout.unwrap_or([inputs, 1, 1]);
    let (pitch, columns) = (channels.next_multiple_of(4), outputs.next_multiple_of(4));
    let cells = height * width;
    let mut packed = vec![0.0; cells * pitch * columns];
    for (output, row) in values.chunks_exact(inputs).enumerate() {
        for (input, value) in row.iter().enumerate() {
            let (channel, cell) = (input / cells, input % cells);
            packed[(cell * pitch + channel) * columns + output] = *value;
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flattened_maps_inputs_follow_memory() {
        // Two channels of 1 × 2 cells; one output.
        let packed = linear(&[1.0, 2.0, 3.0, 4.0], [1, 4], Some([2, 1, 2]));
        let first_output: Vec<f32> = packed.chunks_exact(4).map(|row| row[0]).collect();
        assert_eq!(first_output, [1.0, 3.0, 0.0, 0.0, 2.0, 4.0, 0.0, 0.0]);
    }

    #[test]
    fn a_batch_norm_is_folded_into_weight_and_bias() {
        let read = |path: &str| -> Result<(Vec<f32>, Vec<usize>), WeightsError> {
            let values = match path {
                "conv.weight" => return Ok((vec![2.0], vec![1, 1, 1, 1])),
                "norm.weight" => 3.0,
                "norm.bias" => 5.0,
                "norm.running_mean" => 7.0,
                _ => 4.0,
            };
            Ok((vec![values], vec![1]))
        };
        let constant = |part| Constant {
            part,
            weight: "conv.weight".to_owned(),
            bias: None,
            norm: Some(("norm".to_owned(), 0.0)),
        };
        // 3 · (2 x − 7) / √4 + 5 = 3 x − 5.5
        assert_eq!(pack(&constant(ConstantPart::Dense), &read).unwrap()[0], 3.0);
        assert_eq!(pack(&constant(ConstantPart::Bias), &read).unwrap()[0], -5.5);
    }
}
