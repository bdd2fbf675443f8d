//! How long convolutions take on an adapter, by every form it runs: what plans for it go by.

use std::collections::BTreeMap;
use std::time::Instant;

use wgpu::PollType;

use super::memory::{Memory, Needs};
use super::session::Session;
use super::store::Store;
use super::{Gpu, GpuError};
use crate::builder::BuildError;
use crate::compile::{ConvSize, ConvTable, ConvTimes, Precision, Target, convolution};
use crate::plan::{ConvForm, Epilogue, Kernel, Plan};
use crate::weights::StoredTensor;

/// Least time that is measured at once: shorter ones are lost in that of a submission.
const LEAST: f64 = 0.02;

/// Longest time that is measured again, in seconds.
const MOST: f64 = 0.3;

/// Rounds, after one that warms up; their median counts.
const ROUNDS: usize = 3;

/// Measure every form of each convolution, and Winograd's algorithm where it suits. `done` is told of
/// each measurement as it ends.
///
/// # Errors
/// If the device fails.
pub fn tune(gpu: &Gpu, sizes: &[ConvSize], mut done: impl FnMut()) -> Result<ConvTable, GpuError> {
    let mut table = ConvTable {
        adapter: gpu.info().name.clone(),
        rows: Vec::new(),
    };
    for &size in sizes {
        let mut forms = BTreeMap::new();
        for form in ConvForm::ALL {
            if !gpu.runs(Kernel::Conv(form, Epilogue::Bias)) {
                continue;
            }
            // The only row of a table decides.
            let only = ConvTimes {
                size,
                forms: [(form, 0.0)].into(),
                winograd: None,
            };
            let target = target(gpu, vec![only])?;
            let best = forms.values().copied().fold(f64::INFINITY, f64::min);
            let taken = seconds(gpu, size, convolution(size, &target), 2.0 * best)?;
            forms.insert(form, taken);
            done();
        }
        table.rows.push(ConvTimes {
            size,
            forms,
            winograd: None,
        });
    }
    // The products of Winograd's algorithm take the forms that were found to suit.
    for index in 0..table.rows.len() {
        let size = table.rows[index].size;
        if size.suits_winograd() {
            let mut rows = table.rows.clone();
            rows[index].winograd = Some(0.0);
            let plan = convolution(size, &target(gpu, rows)?);
            table.rows[index].winograd = Some(seconds(gpu, size, plan, f64::INFINITY)?);
            done();
        }
    }
    Ok(table)
}

/// How many measurements [`tune`] makes.
pub fn measurements(gpu: &Gpu, sizes: &[ConvSize]) -> usize {
    let forms = ConvForm::ALL.into_iter();
    let forms = forms.filter(|form| gpu.runs(Kernel::Conv(*form, Epilogue::Bias)));
    let winograd = sizes.iter().filter(|size| size.suits_winograd());
    sizes.len() * forms.count() + winograd.count()
}

fn target(gpu: &Gpu, rows: Vec<ConvTimes>) -> Result<Target, GpuError> {
    let table = ConvTable {
        adapter: String::new(),
        rows,
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
    let store = pollster::block_on(Store::new(gpu, &plan, &weights, &at_once));
    let store = store.map_err(|error| match error {
        BuildError::Gpu(error) => error,
        error => unreachable!("the weights are made here: {error}"),
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
