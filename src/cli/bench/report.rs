//! The figures, as `--json` writes them.

use fpn_wgpu::gpu::peaks::DevicePeaks;
use fpn_wgpu::gpu::{Gpu, Profile};
use fpn_wgpu::models::Stage;
use serde::Serialize;

/// Everything that was measured. What only a GPU has is null for the CPU engine.
#[derive(Serialize)]
pub struct Report {
    pub version: &'static str,
    pub model: &'static str,
    /// The checkpoint's file; none for generated weights.
    pub weights: Option<String>,
    /// Height and width of the picture.
    pub size: [usize; 2],
    /// Height and width of the network's input.
    pub padded: [usize; 2],
    pub device: Device,
    /// What maps and weights are stored in, and products computed in.
    pub precision: &'static str,
    pub iterations: usize,
    /// Found in the picture, since what comes after the heads depends on it.
    pub detections: usize,
    pub load_ms: f64,
    pub compile_ms: Option<f64>,
    pub first_frame_ms: f64,
    pub frame_ms: Spread,
    /// Of one frame, as `fpn summary` counts.
    pub gflop: f64,
    /// At the median frame.
    pub gflop_per_s: f64,
    pub per_frame: Option<PerFrame>,
    pub memory: Option<Memory>,
    /// Null where the adapter has no timestamps.
    pub limits: Option<Limits>,
    /// Null where the adapter has no timestamps.
    pub profile: Option<Steps>,
}

/// What computes.
#[derive(Serialize)]
pub struct Device {
    pub name: String,
    pub device_type: Option<String>,
    pub backend: Option<String>,
    pub driver: Option<String>,
    pub driver_info: Option<String>,
}

impl Device {
    pub fn new(gpu: Option<&Gpu>) -> Self {
        let info = gpu.map(Gpu::info);
        Self {
            name: info.map_or("cpu", |info| &info.name).to_owned(),
            device_type: info.map(|info| format!("{:?}", info.device_type)),
            backend: info.map(|info| info.backend.to_string()),
            driver: info.map(|info| info.driver.clone()),
            driver_info: info.map(|info| info.driver_info.clone()),
        }
    }
}

/// Of several times.
#[derive(Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        Self {
            median: (values[last / 2] + values[last.div_ceil(2)]) / 2.0,
            min: values[0],
            max: values[last],
        }
    }
}

/// What a steady frame takes.
#[derive(Serialize)]
pub struct PerFrame {
    pub submissions: f64,
    pub dispatches: usize,
    pub read_backs: f64,
    pub buffers_made: f64,
    pub bind_groups_made: f64,
    pub pipelines_made: f64,
}

/// Bytes on the device.
#[derive(Serialize)]
pub struct Memory {
    /// Constants and activations.
    pub peak_bytes: usize,
    /// Constants, and the largest set of activations that are alive at once.
    pub lower_bound_bytes: usize,
    pub constants_bytes: usize,
    pub activations_bytes: usize,
}

impl Memory {
    pub fn new(profile: &Profile) -> Self {
        let (constants, activations) = (profile.constant_bytes, profile.plan.peak());
        Self {
            peak_bytes: constants + activations,
            lower_bound_bytes: constants + profile.plan.lower_bound,
            constants_bytes: constants,
            activations_bytes: activations,
        }
    }
}

/// What the adapter does at most, measured.
#[derive(Clone, Copy, Serialize)]
pub struct Limits {
    pub gflop_per_s: f64,
    pub gb_per_s: f64,
}

impl From<DevicePeaks> for Limits {
    fn from(peaks: DevicePeaks) -> Self {
        Self {
            gflop_per_s: peaks.flop_per_second / 1e9,
            gb_per_s: peaks.bytes_per_second / 1e9,
        }
    }
}

impl Limits {
    /// FLOP a byte from which on arithmetic is the lower limit.
    pub fn ridge(self) -> f64 {
        self.gflop_per_s / self.gb_per_s
    }

    /// Milliseconds that so much takes at least.
    fn least_ms(self, flop: u64, bytes: usize) -> f64 {
        let seconds = (flop as f64 / self.gflop_per_s).max(bytes as f64 / self.gb_per_s) / 1e9;
        seconds * 1e3
    }
}

/// Where the time goes.
#[derive(Serialize)]
pub struct Steps {
    /// Of which each step's time is the median.
    pub runs: usize,
    /// Of all steps.
    pub total_ms: f64,
    /// In the order of the work.
    pub stages: Vec<StageTime>,
    /// The heaviest first.
    pub steps: Vec<StepTime>,
}

/// All steps of a stage.
#[derive(Serialize)]
pub struct StageTime {
    pub stage: Stage,
    pub steps: usize,
    #[serde(flatten)]
    pub work: Work,
}

/// One step.
#[derive(Serialize)]
pub struct StepTime {
    /// Place in the plan.
    pub index: usize,
    pub name: String,
    pub stage: Stage,
    pub kernel: String,
    /// Shape.
    pub output: Vec<usize>,
    #[serde(flatten)]
    pub work: Work,
}

/// What was done in which time.
#[derive(Serialize)]
pub struct Work {
    pub ms: f64,
    /// Of the total time, 0 to 1.
    pub share: f64,
    pub flop: u64,
    /// That the bindings hold.
    pub bytes: usize,
    /// Null where there are no operations to speak of, or no time was seen.
    pub gflop_per_s: Option<f64>,
    pub gb_per_s: Option<f64>,
    /// The least time by the adapter's limits, of the time taken.
    pub of_limit: Option<f64>,
}

impl Work {
    fn new(seconds: f64, total: f64, flop: u64, bytes: usize, least_ms: f64) -> Self {
        let rate = |amount: f64| (amount > 0.0 && seconds > 0.0).then(|| amount / seconds);
        Self {
            ms: seconds * 1e3,
            share: if total > 0.0 { seconds / total } else { 0.0 },
            flop,
            bytes,
            gflop_per_s: rate(flop as f64 / 1e9),
            gb_per_s: rate(bytes as f64 / 1e9),
            of_limit: rate(least_ms / 1e3),
        }
    }
}

impl Steps {
    /// Of a profile of so many runs, where it has times.
    pub fn new(profile: &Profile, runs: usize, limits: Limits) -> Option<Self> {
        let seconds = profile.step_seconds.as_ref()?;
        let total = seconds.iter().sum();
        let plan = profile.plan.steps.iter();
        let steps = plan.zip(&profile.step_bytes).zip(seconds);
        let mut steps: Vec<StepTime> = steps
            .enumerate()
            .map(|(index, ((step, &bytes), &seconds))| {
                let least = limits.least_ms(step.flop, bytes);
                StepTime {
                    index,
                    name: step.name.clone(),
                    stage: step.stage,
                    kernel: step.shader.kernel.name.to_string(),
                    output: step.output.clone(),
                    work: Work::new(seconds, total, step.flop, bytes, least),
                }
            })
            .collect();
        let stage = |stage: Stage| {
            let of_stage = || steps.iter().filter(move |step| step.stage == stage);
            let sum = |part: fn(&Work) -> f64| of_stage().map(|step| part(&step.work)).sum::<f64>();
            let (flop, bytes) = of_stage().fold((0, 0), |(flop, bytes), step| {
                (flop + step.work.flop, bytes + step.work.bytes)
            });
            // Steps run one after the other, each under its own limit.
            let least = of_stage().map(|step| limits.least_ms(step.work.flop, step.work.bytes));
            StageTime {
                stage,
                steps: of_stage().count(),
                work: Work::new(sum(|work| work.ms) / 1e3, total, flop, bytes, least.sum()),
            }
        };
        let stages = Stage::ALL.map(stage).into_iter();
        let stages = stages.filter(|stage| stage.steps > 0).collect();
        steps.sort_by(|a, b| b.work.ms.total_cmp(&a.work.ms));
        Some(Self {
            runs,
            total_ms: total * 1e3,
            stages,
            steps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_held_against_the_limit_that_binds_it() {
        let limits = Limits {
            gflop_per_s: 100.0,
            gb_per_s: 10.0,
        };
        assert_eq!(limits.ridge(), 10.0);
        // A second's arithmetic over few bytes, a second's bytes with little arithmetic.
        assert_eq!(limits.least_ms(100_000_000_000, 1), 1e3);
        assert_eq!(limits.least_ms(1, 10_000_000_000), 1e3);
        let work = Work::new(2.0, 8.0, 0, 10_000_000_000, 1e3);
        assert_eq!((work.share, work.of_limit), (0.25, Some(0.5)));
        assert_eq!((work.gflop_per_s, work.gb_per_s), (None, Some(5.0)));
    }

    #[test]
    fn a_step_too_short_for_the_clock_has_no_rate() {
        let work = Work::new(0.0, 0.0, 10, 10, 1.0);
        assert_eq!(
            (work.share, work.gflop_per_s, work.of_limit),
            (0.0, None, None)
        );
    }
}
