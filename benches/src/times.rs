//! How long something takes.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

/// Least seconds of a batch: far more than what starting and awaiting one costs.
const BATCH: f64 = 0.02;

/// Most runs that warm up.
const MOST_WARM_UPS: usize = 10;

/// Seconds of several runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Times {
    /// # Panics
    /// If there are none.
    pub fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_unstable_by(f64::total_cmp);
        let middle = [(seconds.len() - 1) / 2, seconds.len() / 2];
        Self {
            median: middle.map(|index| seconds[index]).iter().sum::<f64>() / 2.0,
            min: seconds[0],
            max: seconds[seconds.len() - 1],
        }
    }
}

/// Seconds of one call.
pub fn seconds(run: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Run until that is no longer much faster than the run before: then drivers have compiled, and
/// tuners have chosen. The seconds of each run.
pub fn warm_up(mut run: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let mut runs = vec![seconds(&mut run)?];
    while runs.len() < MOST_WARM_UPS {
        let last = seconds(&mut run)?;
        let settled = last > 0.8 * runs[runs.len() - 1];
        runs.push(last);
        if settled {
            break;
        }
    }
    Ok(runs)
}

/// Seconds of one of many calls that are awaited together, `runs` times over. `run` makes as many
/// calls as it is told, and waits for them.
pub fn batched(runs: usize, mut run: impl FnMut(usize) -> Result<()>) -> Result<Times> {
    let once = warm_up(|| run(1))?;
    let calls = (BATCH / once[once.len() - 1]).ceil().max(1.0) as usize;
    let each = (0..runs).map(|_| Ok(seconds(|| run(calls))? / calls as f64));
    Ok(Times::of(each.collect::<Result<_>>()?))
}
