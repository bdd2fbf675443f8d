//! `fpn-viewer`: the viewer on a desktop.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fpn_viewer::{Choice, DeviceChoice, File, InputSize, Start, WeightsChoice};
use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::adapters;
use fpn_wgpu::models::Architecture;
use fpn_wgpu::weights::official::Meant;

/// See a feature-pyramid detector at work, live
#[derive(Parser)]
#[command(name = "fpn-viewer", version)]
struct Arguments {
    /// What to look at: a picture, a folder, a video (y4m, AVI, mp4) or a camera (/dev/video0); the built-in scene where
    /// none is given
    source: Option<String>,

    /// Checkpoint, PyTorch (.pth) or safetensors, or the name of published weights, which are fetched once [see `fpn
    /// models --weights`]; without one, pyramid_tiny with its own weights
    #[arg(long, value_name = "FILE|NAME")]
    weights: Option<PathBuf>,

    /// The model the weights are for; not needed where the file says so
    #[arg(long, value_name = "NAME")]
    model: Option<Architecture>,

    /// Where to compute: auto, gpu, cpu, window (the adapter that draws the window), or a part of an adapter's name
    #[arg(long, value_name = "NAME", default_value = "auto")]
    device: String,

    /// What a GPU stores and multiplies in: f32, f16s or f16
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = precision)]
    precision: Precision,

    /// Resize a picture's short side to this many pixels
    #[arg(long, value_name = "N")]
    min_size: Option<usize>,

    /// For tests: lose the device that draws the window after so many pictures
    #[arg(long, value_name = "N", hide = true)]
    lose_device: Option<usize>,

    /// Measure so many pictures after a warm-up, write the times as JSON, and close
    #[arg(long, value_name = "N")]
    measure: Option<usize>,
}

fn precision(name: &str) -> Result<Precision, String> {
    let mut all = Precision::ALL.into_iter();
    all.find(|precision| precision.name() == name)
        .ok_or_else(|| {
            let names = Precision::ALL.map(Precision::name);
            format!("expected one of {}", names.join(", "))
        })
}

impl Arguments {
    fn weights(&self) -> Result<WeightsChoice, String> {
        let Some(weights) = &self.weights else {
            return Ok(WeightsChoice::BuiltIn);
        };
        match Meant::by(weights, self.model) {
            Meant::File => Ok(WeightsChoice::File(File::Path(weights.clone()))),
            Meant::Published(known) => Ok(WeightsChoice::Published(known)),
            Meant::Nothing => Err(format!(
                "--weights {}: there is no such file, and no weights of this name: see `fpn models --weights`",
                weights.display()
            )),
        }
    }

    fn start(self) -> Result<Start, String> {
        Ok(Start {
            choice: Choice {
                weights: self.weights()?,
                architecture: self.model,
                device: match self.device.as_str() {
                    "auto" => DeviceChoice::Auto,
                    "cpu" => DeviceChoice::Cpu,
                    "gpu" => DeviceChoice::Gpu,
                    "window" => DeviceChoice::Window,
                    name => DeviceChoice::Adapter(name.to_owned()),
                },
                precision: self.precision,
                size: self.min_size.map_or(InputSize::Usual, InputSize::Short),
            },
            source: self.source,
            measure: self.measure,
            lose_device: self.lose_device,
        })
    }
}

fn main() -> ExitCode {
    let start = match Arguments::parse().start() {
        Ok(start) => start,
        Err(told) => {
            eprintln!("error: {told}");
            return ExitCode::from(2);
        }
    };
    if let DeviceChoice::Adapter(name) = &start.choice.device
        && let Err(error) = pollster::block_on(adapters::by_name(name))
    {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    match fpn_viewer::run(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = match pollster::block_on(adapters::best()) {
                Ok(_) => error.to_string(),
                // It says what to install.
                Err(none) => none.to_string(),
            };
            let reason = match &error {
                // Behind the system's words on where in its code.
                eframe::Error::WinitEventLoop(_) => told.rsplit(": ").next().unwrap_or(&told),
                _ => &told,
            };
            eprintln!("error: no window can be opened: {reason}");
            ExitCode::FAILURE
        }
    }
}
