//! Constants: layers' parameters in the order the kernels read them, with batch norms folded in.

use half::f16;
use wgpu::{Buffer, BufferUsages};

use super::Gpu;
use super::memory::buffer;
use crate::error::{BuildError, GpuError};
use crate::kernels::Dtype;
use crate::plan::{Constant, Plan};
use crate::weights::{ReadParameter, WeightsError, pack};

/// Values that are sent to the device at once.
const UPLOAD: usize = 1 << 20;

/// The constants of a model on one device; plans of all sizes use the same.
#[derive(Debug)]
pub(super) struct Store {
    constants: Vec<(Constant, Buffer)>,
}

/// Why there are no constants.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum StoreError {
    /// A parameter cannot be read.
    Weights(#[from] WeightsError),
    /// The GPU failed.
    Gpu(#[from] GpuError),
}

impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Weights(error) => error.into(),
            StoreError::Gpu(error) => error.into(),
        }
    }
}

impl Store {
    /// Pack and upload what `plan` needs, one constant after the other, in slices with a `pause`
    /// between them.
    ///
    /// # Errors
    /// If a parameter cannot be read, or the GPU fails.
    pub async fn new(
        gpu: &Gpu,
        plan: &Plan,
        parameter: &ReadParameter<'_>,
        pause: &impl AsyncFn(),
    ) -> Result<Self, StoreError> {
        let mut constants = Vec::with_capacity(plan.constants.len());
        for constant in &plan.constants {
            let values = pack(constant, parameter, pause).await?;
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let size = constant.dtype.block_bytes() / 4;
            let buffer =
                gpu.guarded(|| buffer(gpu, &constant.weight, values.len() * size, usage))?;
            for (part, first) in values.chunks(UPLOAD).zip((0..).step_by(UPLOAD)) {
                let bytes = bytes_of(part, constant.dtype);
                let offset = (first * size) as u64;
                gpu.guarded(|| gpu.queue.write_buffer(&buffer, offset, &bytes))?;
                pause().await;
            }
            // So that what is on its way does not pile up.
            gpu.watched(|| gpu.queue.submit([]));
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

fn bytes_of(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F32 => bytemuck::cast_slice(values).to_vec(),
        Dtype::F16 => {
            let halves: Vec<u16> = values
                .iter()
                .map(|value| f16::from_f32(*value).to_bits())
                .collect();
            bytemuck::cast_slice(&halves).to_vec()
        }
    }
}
