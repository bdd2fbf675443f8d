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

/// The constants of a model on one device; plans of all sizes use the same. Clones share them.
#[derive(Clone, Debug, Default)]
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
    /// Pack and upload what a plan needs, one constant after the other, in slices with a `pause`
    /// between them.
    ///
    /// # Errors
    /// If a parameter cannot be read, or the GPU fails.
    pub async fn new(
        gpu: &Gpu,
        needed: &[Constant],
        parameter: &ReadParameter<'_>,
        pause: &impl AsyncFn(),
    ) -> Result<Self, StoreError> {
        let mut constants = Vec::with_capacity(needed.len());
        for constant in needed {
            let values = pack(constant, parameter, pause).await?;
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let size = constant.dtype().block_bytes() / 4;
            let buffer =
                gpu.guarded(|| buffer(gpu, constant.name(), values.len() * size, usage))?;
            for (part, first) in values.chunks(UPLOAD).zip((0..).step_by(UPLOAD)) {
                let bytes = bytes_of(part, constant.dtype());
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

    /// What a plan needs that is not there.
    pub fn missing(&self, plan: &Plan) -> Vec<Constant> {
        let is_there = |constant: &&Constant| self.find(constant).is_some();
        let needed = plan.constants.iter();
        needed
            .filter(|constant| !is_there(constant))
            .cloned()
            .collect()
    }

    /// With those of another.
    pub fn add(&mut self, other: Self) {
        self.constants.extend(other.constants);
    }

    /// Bytes of all constants.
    pub fn bytes(&self) -> usize {
        let sizes = self.constants.iter().map(|(_, buffer)| buffer.size());
        sizes.sum::<u64>() as usize
    }

    pub fn buffer(&self, constant: &Constant) -> &Buffer {
        self.find(constant)
            .expect("the plans of a model differ in sizes, not in constants")
    }

    fn find(&self, constant: &Constant) -> Option<&Buffer> {
        let found = self.constants.iter().find(|(known, _)| known == constant);
        found.map(|(_, buffer)| buffer)
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
