//! What a plan leaves behind, in the host's memory: one buffer that is copied and read in one go.

use std::ops::Range as Bytes;

use bytemuck::Pod;
use futures_channel::oneshot::{Receiver, channel};
use half::f16;
use wgpu::{Buffer, BufferAsyncError, CommandEncoder, MapMode};

use super::Gpu;
use super::memory::Memory;
use crate::error::{DetectError, GpuError};
use crate::kernels::Dtype;
use crate::ops::candidates::Candidate;
use crate::plan::{DetectionsLayout, HEADER_WORDS, Output, Plan, Range, TensorSlot, planar};
use crate::results::{Computed, HostMap, HostTensor, Proposal, Reading};

/// Whether a buffer has become readable.
pub(super) type Mapped = Receiver<Result<(), BufferAsyncError>>;

/// Ask for a buffer's first `bytes` to become readable.
pub(super) fn map(buffer: &Buffer, bytes: usize) -> Mapped {
    let (sender, receiver) = channel();
    buffer.map_async(MapMode::Read, ..bytes as u64, move |result| {
        // Nobody waits for a frame that was given up.
        sender.send(result).ok();
    });
    receiver
}

/// Until a buffer can be read.
///
/// # Errors
/// If the device failed.
pub(super) async fn readable(gpu: &Gpu, mapped: &mut Mapped) -> Result<(), GpuError> {
    match mapped.await {
        Ok(Ok(())) => Ok(()),
        _ => {
            gpu.check_alive()?;
            Err(GpuError::Lost("its results cannot be read".to_owned()))
        }
    }
}

/// What is read back of a plan's outputs: the results, and the activations of other outputs behind.
#[derive(Clone, Debug)]
pub(super) struct ReadBack {
    results: usize,
    /// Which outputs are read besides detections and what was found in them.
    reading: Reading,
    /// Activations, in the order of the outputs.
    activations: Vec<Range>,
}

impl ReadBack {
    /// Of a plan's outputs.
    pub fn new(plan: &Plan, reading: Reading) -> Self {
        let outputs = plan.outputs.iter();
        let activations = outputs.flat_map(|output| match output {
            _ if !is_read(&reading, output) => Vec::new(),
            Output::Detections(_) => Vec::new(),
            Output::Instances(_, slot) | Output::Tensor(_, slot) => vec![slot.range],
            Output::Map(_, slot) => vec![slot.range],
            Output::Proposals(slot) => vec![slot.boxes, slot.levels, slot.count],
        });
        Self {
            results: plan.results_bytes(),
            activations: activations.collect(),
            reading,
        }
    }

    /// Bytes of the buffer.
    pub fn bytes(&self) -> usize {
        let activations = self.activations.iter().map(|range| range.size);
        self.results + activations.sum::<usize>()
    }

    /// Copy everything into `staging`, behind the plan's steps.
    pub fn copy(&self, memory: &Memory, staging: &Buffer, encoder: &mut CommandEncoder) {
        encoder.copy_buffer_to_buffer(&memory.results, 0, staging, 0, self.results as u64);
        for (range, place) in self.activations.iter().zip(self.places()) {
            let arena = &memory.arenas[range.arena];
            let (from, size) = (range.offset as u64, range.size as u64);
            encoder.copy_buffer_to_buffer(arena, from, staging, place.start as u64, size);
        }
    }

    /// Where each activation lies in the buffer.
    fn places(&self) -> impl Iterator<Item = Bytes<usize>> {
        let activations = self.activations.iter();
        activations.scan(self.results, |end, range| {
            let start = *end;
            *end += range.size;
            Some(start..*end)
        })
    }

    /// What a buffer that can be read says of a frame.
    ///
    /// # Errors
    /// If it cannot be read, a value was not finite, or there were more candidates than fit.
    pub fn read(&self, plan: &Plan, staging: &Buffer) -> Result<Computed, DetectError> {
        let view = staging.slice(..self.bytes() as u64).get_mapped_range();
        let view = view.map_err(|error| GpuError::Fault(error.to_string()))?;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&view[..self.results]);
        let (header, rows) = words.split_at(HEADER_WORDS);
        let [count, not_finite, found, fit] = header[..] else {
            unreachable!("the header has four words")
        };
        if not_finite != 0 {
            return Err(DetectError::NotFinite);
        }
        if found > fit {
            let told = format!("{found} candidates were found where only {fit} can be");
            return Err(GpuError::Fault(told).into());
        }
        let mut computed = Computed::default();
        let mut places = self.places();
        let mut next = || &view[places.next().expect("outputs were copied in order")];
        let outputs = plan.outputs.iter();
        for output in outputs.filter(|output| is_read(&self.reading, output)) {
            match output {
                Output::Detections(layout) => {
                    computed.detections = candidates(*layout, count as usize, rows);
                }
                Output::Instances(kind, slot) => {
                    let mut rows = tensor(slot, next());
                    let width = slot.shape[1];
                    rows.shape[0] = count as usize;
                    rows.values.truncate(count as usize * width);
                    computed.instances = Some((*kind, rows));
                }
                Output::Map(info, slot) => computed.maps.push(HostMap {
                    info: info.clone(),
                    shape: slot.shape,
                    values: planar(&stored(slot.dtype, next()), slot.shape),
                }),
                Output::Tensor(name, slot) => {
                    computed.tensors.push((name.clone(), tensor(slot, next())));
                }
                Output::Proposals(_) => {
                    let boxes: Vec<[f32; 4]> = collected(next());
                    let levels: Vec<u32> = collected(next());
                    let count: Vec<u32> = collected(next());
                    let all = boxes.into_iter().zip(levels).take(count[0] as usize);
                    computed.proposals = all
                        .map(|(bbox, level)| Proposal {
                            bbox,
                            level: level as usize,
                        })
                        .collect();
                }
            }
        }
        Ok(computed)
    }
}

/// Whether an output is handed over.
fn is_read(reading: &Reading, output: &Output) -> bool {
    match output {
        Output::Detections(_) | Output::Instances(..) => true,
        Output::Map(info, _) => reading.has_map(info.kind),
        Output::Tensor(..) | Output::Proposals(_) => reading.has_tensors(),
    }
}

fn collected<T: Pod>(bytes: &[u8]) -> Vec<T> {
    bytemuck::pod_collect_to_vec(bytes)
}

/// A tensor that lies so.
fn tensor(slot: &TensorSlot, bytes: &[u8]) -> HostTensor {
    let stored = stored(slot.dtype, bytes);
    let places = slot.layout();
    HostTensor {
        shape: slot.shape.clone(),
        values: places.places().map(|place| stored[place]).collect(),
    }
}

/// Values as they are stored, in memory's order.
fn stored(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F32 => collected(bytes),
        Dtype::F16 => {
            let halves: Vec<u16> = collected(bytes);
            let wide = halves.into_iter().map(|half| f16::from_bits(half).to_f32());
            wide.collect()
        }
    }
}

/// The detections behind the header.
fn candidates(layout: DetectionsLayout, count: usize, rows: &[u32]) -> Vec<Candidate> {
    let width = layout.blocks * 4;
    let rows = rows.chunks_exact(width).take(count);
    rows.map(|row| {
        let value = |index: usize| f32::from_bits(row[index]);
        let tags = width - 4;
        Candidate {
            bbox: [0, 1, 2, 3].map(value),
            landmarks: (4..4 + layout.landmarks).map(value).collect(),
            score: value(tags),
            label: value(tags + 1) as i32,
            level: value(tags + 2) as i32,
        }
    })
    .collect()
}
