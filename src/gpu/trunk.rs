//! The part of a plan that ends in the heads' maps, over one picture: what other engines' backbone,
//! pyramid and heads are compared with.

use std::sync::Arc;

use image::RgbaImage;
use wgpu::{Buffer, PollType};

use super::engine::frame_bytes;
use super::maps::{self, HostMap, Mapped, map};
use super::memory::{Memory, Needs};
use super::session::Session;
use super::store::Store;
use super::{Gpu, GpuError};
use crate::builder::BuildError;
use crate::compile::{Precision, compile};
use crate::models::ModelConfig;
use crate::transform::Frame;
use crate::weights::{self, Checkpoint};

/// A model's backbone, pyramid and heads on a device, with a picture to run over.
#[derive(Debug)]
pub struct Trunk {
    gpu: Arc<Gpu>,
    session: Session,
    memory: Memory,
    staging: Buffer,
}

impl Trunk {
    /// Upload weights and the picture, whose size is the network's input: it is neither resized nor
    /// padded.
    ///
    /// # Errors
    /// If the checkpoint does not fit, the model cannot be compiled, or the GPU fails.
    pub fn new(
        gpu: Arc<Gpu>,
        config: &ModelConfig,
        checkpoint: &Checkpoint,
        picture: &RgbaImage,
    ) -> Result<Self, BuildError> {
        let architecture = config.architecture;
        let checkpoint = &checkpoint.in_layout_of(architecture)?;
        weights::check_fit(config, checkpoint)?;
        let size = [picture.height() as usize, picture.width() as usize];
        let transform = architecture.transform();
        let selection = architecture.selection().expect("all models are detectors");
        let target = gpu.target(None, Precision::F32)?;
        let mut plan = compile(config, &transform, selection, size, &target)?;
        plan.steps.truncate(plan.trunk);
        let parameter = |path: &str| weights::parameter(config, checkpoint, path);
        let at_once = async || {};
        let store = pollster::block_on(Store::new(&gpu, &plan, &parameter, &at_once))?;
        let needs = Needs::new(&plan, picture.as_raw().len());
        let memory = gpu.guarded(|| Memory::new(&gpu, needs))?;
        let session = pollster::block_on(Session::new(&gpu, plan, &store, &memory, &at_once))?;
        let frame = Frame {
            original: size,
            resized: size,
            padded: size,
        };
        gpu.queue.write_buffer(&memory.picture, 0, picture.as_raw());
        gpu.queue
            .write_buffer(&memory.frame, 0, &frame_bytes(&frame));
        gpu.check()?;
        Ok(Self {
            staging: memory.take_staging(&gpu),
            gpu,
            session,
            memory,
        })
    }

    /// Compute the maps and wait until they are there. Nothing is read back.
    ///
    /// # Errors
    /// If the device fails.
    pub fn run(&self) -> Result<(), GpuError> {
        let submission = self.session.submit(&self.gpu, &self.memory, &self.staging);
        self.gpu.poll(PollType::Wait {
            submission_index: Some(submission),
            timeout: None,
        })
    }

    /// The maps of the last run, in the order of [`Plan::heads`](crate::plan::Plan::heads).
    ///
    /// # Errors
    /// If the device fails.
    pub fn maps(&self) -> Result<Vec<HostMap>, GpuError> {
        let (copies, _) = maps::copy(&self.gpu, &self.memory, &self.session.plan.heads);
        let mapped: Vec<Mapped> = copies.iter().map(|(_, copy)| map(copy)).collect();
        self.gpu.poll(PollType::wait_indefinitely())?;
        let maps = copies.iter().zip(mapped).map(|((slot, copy), mapped)| {
            pollster::block_on(maps::readable(&self.gpu, mapped))?;
            Ok((slot.shape, maps::values(slot, copy)?))
        });
        maps.collect()
    }
}
