//! Several ways to compute the same, timed in turns and compared.

use anyhow::{Context, Result, bail};
use fpn_wgpu::HostTensor;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::times::{Times, seconds, warm_up};

/// What two engines' tensors may differ by, relative to a tensor's largest value.
const TOLERANCE: f32 = 1e-3;

/// What an engine does when it is told whether what it makes is to be read.
type Run = dyn Fn(bool) -> Result<Vec<HostTensor>>;

/// One way to compute something.
pub struct Engine {
    name: &'static str,
    run: Box<Run>,
}

impl Engine {
    /// `run` computes, and gives back what it made where it is told to; otherwise nothing need be
    /// read, but all is done when it returns.
    pub fn new(
        name: &'static str,
        run: impl Fn(bool) -> Result<Vec<HostTensor>> + 'static,
    ) -> Self {
        let run = Box::new(run);
        Self { name, run }
    }

    fn compute(&self) -> Result<()> {
        (self.run)(false).map(drop)
    }
}

/// One engine, measured.
#[derive(Serialize)]
pub struct Measured {
    pub name: &'static str,
    /// Seconds of the runs that warmed up, the first of which compiles and tunes.
    pub warm_up: Vec<f64>,
    /// Seconds.
    pub times: Times,
    /// This engine's median over the first one's.
    pub ratio: f64,
    /// Largest difference from the last engine, relative to a tensor's largest value.
    pub difference: f32,
}

/// Time them in turns. The last engine is the one that others must agree with, the first the one that
/// their times are compared with. `title` says on the terminal what is measured.
pub fn measure(title: &str, engines: &[Engine], runs: u32) -> Result<Vec<Measured>> {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {prefix} {wide_msg}")?;
    let progress = ProgressBar::new_spinner().with_style(style);
    progress.set_prefix(title.to_owned());
    progress.enable_steady_tick(std::time::Duration::from_millis(200));
    let mut warm_ups = Vec::new();
    let mut made = Vec::new();
    for engine in engines {
        progress.set_message(format!("{} warms up", engine.name));
        warm_ups.push(warm_up(|| engine.compute())?);
        made.push((engine.run)(true)?);
    }
    let mut times = vec![Vec::new(); engines.len()];
    for run in 0..runs as usize {
        // In turns, and none always after the same other.
        for turn in 0..engines.len() {
            let index = (run + turn) % engines.len();
            let engine = &engines[index];
            progress.set_message(format!("run {} of {runs}: {}", run + 1, engine.name));
            times[index].push(seconds(|| engine.compute())?);
        }
    }
    progress.finish_and_clear();

    let times: Vec<Times> = times.into_iter().map(Times::of).collect();
    let reference = made.last().context("there are engines")?;
    let rows = engines.iter().zip(warm_ups).zip(&times).zip(&made);
    let rows = rows.map(|(((engine, warm_up), own), made)| {
        Ok(Measured {
            name: engine.name,
            warm_up,
            times: *own,
            ratio: own.median / times[0].median,
            difference: difference(made, reference)?,
        })
    });
    rows.collect()
}

/// # Errors
/// If an engine's results are not the last one's.
pub fn agree(engines: &[Measured]) -> Result<()> {
    let wrong = engines.iter().find(|engine| engine.difference > TOLERANCE);
    match wrong {
        None => Ok(()),
        Some(engine) => bail!(
            "{}: its results differ from the CPU's by {:.1e} of the largest value: expected at most {TOLERANCE:.0e}",
            engine.name,
            engine.difference
        ),
    }
}

/// A difference for people.
pub fn shown(difference: f32) -> String {
    match difference {
        0.0 => "exact".to_owned(),
        difference => format!("{difference:.1e}"),
    }
}

/// The largest difference, relative to a tensor's largest value.
fn difference(found: &[HostTensor], expected: &[HostTensor]) -> Result<f32> {
    let shapes = |tensors: &[HostTensor]| {
        let shapes = tensors.iter().map(|tensor| tensor.shape.clone());
        shapes.collect::<Vec<_>>()
    };
    if shapes(found) != shapes(expected) {
        bail!(
            "the engines' results have different shapes: {:?} and {:?}",
            shapes(found),
            shapes(expected)
        );
    }
    let of_tensor = |(found, expected): (&HostTensor, &HostTensor)| {
        let (values, expected) = (&found.values, &expected.values);
        let largest = expected
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        let differences = values.iter().zip(expected).map(|(a, b)| (a - b).abs());
        // NaN is further away than anything.
        let most = differences.fold(0.0_f32, |most, value| match value.is_nan() {
            true => f32::INFINITY,
            false => most.max(value),
        });
        most / largest
    };
    let pairs = found.iter().zip(expected);
    Ok(pairs.map(of_tensor).fold(0.0, f32::max))
}
