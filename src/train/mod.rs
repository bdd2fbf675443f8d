//! Training of the two-stage detectors, as Faster R-CNN's paper (Ren et al., 2015,
//! <https://arxiv.org/abs/1506.01497>) and the forms of it by torchvision, detectron2 and faster-rcnn.pytorch do it.

pub mod anchors;
pub mod assign;
mod batches;
mod checkpoint;
mod crop;
pub mod ftt;
#[cfg(feature = "train-gpu")]
mod gpu;
mod init;
pub mod losses;
mod optimizer;
mod options;
mod order;
pub mod recipe;
mod schedule;
pub mod step;
mod trainer;

pub use batches::{BatchOptions, Batches};
pub use checkpoint::{Progress, resume};
#[cfg(feature = "train-gpu")]
pub use gpu::gpu_device;
pub use init::initial;
pub use optimizer::Optimizer;
pub use options::{BatchNorms, Learns, TrainOptions};
pub use order::steps_of_epoch;
pub use schedule::{Decay, Schedule};
pub use trainer::{LossParts, StepReport, TrainError, Trainer};
