//! Training of the two-stage detectors, as Faster R-CNN's paper (Ren et al., 2015,
//! <https://arxiv.org/abs/1506.01497>) and torchvision's form of it do it.

pub mod assign;
mod batches;
mod checkpoint;
#[cfg(feature = "train-gpu")]
mod gpu;
mod init;
pub mod losses;
mod optimizer;
mod schedule;
pub mod step;
mod trainer;

pub use batches::{BatchOptions, Batches};
pub use checkpoint::{Progress, resume};
#[cfg(feature = "train-gpu")]
pub use gpu::gpu_device;
pub use init::initial;
pub use optimizer::Optimizer;
pub use schedule::{Decay, Schedule};
pub use trainer::{BatchNorms, StepReport, TrainError, TrainOptions, Trainer};
