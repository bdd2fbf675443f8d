//! How long convolutions take on an adapter, by every form it runs: what plans for it go by.

use std::collections::BTreeMap;
use std::time::Instant;

use wgpu::PollType;

use super::Gpu;
use super::memory::{Memory, Needs};
use super::session::Session;
use super::store::{Store, StoreError};
use crate::compile::{
    ConvSize, ConvTable, ConvTimes, Precision, ScheduleError, Target, convolution,
};
use crate::error::GpuError;
use crate::kernels::Dtypes;
use crate::kernels::conv::{ConvForm, Epilogue, kernel};
use crate::plan::Plan;
use crate::weights::StoredTensor;

/// Least time that is measured at once: shorter ones are lost in that of a submission.
const LEAST: f64 = 0.02;

/// Longest time that is measured again, in seconds.
const MOST: f64 = 0.3;

/// Rounds, after one that warms up; their median counts.
const ROUNDS: usize = 3;

/// Why convolutions cannot be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum TuneError {
    /// The GPU failed.
    Gpu(#[from] GpuError),
    /// One of them makes more pixels than can be dispatched.
    Schedule(#[from] ScheduleError),
}

/// Measure every form of each convolution, and Winograd's algorithm where it suits. `done` is told of
/// each measurement as it ends.
///
/// # Errors
/// If a convolution is too large to be computed, or the device fails.
pub fn tune(gpu: &Gpu, sizes: &[ConvSize], mut done: impl FnMut()) -> Result<ConvTable, TuneError> {
    let mut table = ConvTable {
        adapter: gpu.info().name.clone(),
        rows: Vec::new(),
    };
    let forms: Vec<ConvForm> = forms(gpu).collect();
    for &size in sizes {
        let mut row = ConvTimes {
            size,
            forms: BTreeMap::new(),
            winograd: BTreeMap::new(),
        };
        for &form in &forms {
            let plan = convolution(size, &only(gpu, size, form, false)?)?;
            let best = row.fastest().map_or(f64::INFINITY, |(_, best)| best);
            row.forms
                .insert(form, seconds(gpu, size, plan, 2.0 * best)?);
            done();
        }
        if size.suits_winograd() {
            for &form in &forms {
                let plan = convolution(size, &only(gpu, size, form, true)?)?;
                let best = row
                    .fastest_winograd()
                    .map_or(f64::INFINITY, |(_, best)| best);
                row.winograd
                    .insert(form, seconds(gpu, size, plan, 2.0 * best)?);
                done();
            }
        }
        table.rows.push(row);
    }
    Ok(table)
}

/// The forms that a device runs.
fn forms(gpu: &Gpu) -> impl Iterator<Item = ConvForm> {
    let forms = ConvForm::ALL.into_iter();
    forms.filter(|form| gpu.runs(kernel(*form, Epilogue::Bias).shader(Dtypes::F32)))
}

/// How many measurements [`tune`] makes.
pub fn measurements(gpu: &Gpu, sizes: &[ConvSize]) -> usize {
    let winograd = sizes.iter().filter(|size| size.suits_winograd());
    (sizes.len() + winograd.count()) * forms(gpu).count()
}

/// A target that has nothing but one form, and with it one of the algorithms.
fn only(gpu: &Gpu, size: ConvSize, form: ConvForm, winograd: bool) -> Result<Target, GpuError> {
    let (fast, slow) = ([(form, 0.0)], [(form, 1.0)]);
    let row = ConvTimes {
        size,
        forms: if winograd { slow } else { fast }.into(),
        winograd: if winograd { fast } else { slow }.into(),
    };
    let table = ConvTable {
        adapter: String::new(),
        rows: vec![row],
    };
    gpu.target(Some(table), Precision::F32)
}

/// Median seconds of a plan of one convolution; one that is `hopeless` is not measured again.
fn seconds(gpu: &Gpu, size: ConvSize, plan: Plan, hopeless: f64) -> Result<f64, GpuError> {
    let [height, width] = size.kernel;
    let shape = vec![size.out_channels, size.in_channels, height, width];
    let count: usize = shape.iter().product();
    let weights = |_: &str| StoredTensor::whole(shape.clone(), move || Ok(vec![0.01; count]));
    let at_once = async || {};
    let store = pollster::block_on(Store::new(gpu, &plan.constants, &weights, &at_once));
    let store = store.map_err(|error| match error {
        StoreError::Gpu(error) => error,
        StoreError::Weights(error) => unreachable!("the weights are made here: {error}"),
    })?;
    let memory = gpu.guarded(|| Memory::new(gpu, Needs::new(&plan, 4)))?;
    let convolution = pollster::block_on(Session::new(gpu, plan, &store, &memory, &at_once))?;
    let run = |times: usize| {
        let start = Instant::now();
        convolution.repeat(gpu, times);
        gpu.poll(PollType::wait_indefinitely())?;
        Ok::<f64, GpuError>(start.elapsed().as_secs_f64() / times as f64)
    };
    run(1)?;
    let once = run(1)?;
    if once > MOST.min(hopeless) {
        return Ok(once);
    }
    let times = (LEAST / once).ceil() as usize;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        rounds.push(run(times)?);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}
