//! HAT's parts and the forms of EFPN's feature texture transfer against their definition in PyTorch: on the CPU engine,
//! and as networks of their own on this machine's adapter.

use std::collections::HashMap;
use std::convert::Infallible;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::{CaptureError, Tracer, run_eagerly};
use fpn_wgpu::models::ftt::{self, Ftt, FttForm};
use fpn_wgpu::models::hat::{
    self, ChannelAttentionBlock, HatConfig, HybridBlock, OverlappingBlock, PatchMerging,
    ResidualGroup, WindowAttention,
};
use fpn_wgpu::models::{Distribution, parameters};
use fpn_wgpu::weights::seeded_values;
use fpn_wgpu::{Checkpoint, HostTensor, Network};

use crate::adapter;
use crate::published::{Shapes, state_dict};
use crate::support::{TensorFile, assert_close, sample};

/// How far values may be off, as a part of the largest.
const TOLERANCE: f32 = 1e-5;

/// Any of them.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum Part {
    Cab(ChannelAttentionBlock),
    Attention(WindowAttention),
    Hab(HybridBlock),
    Ocab(OverlappingBlock),
    Group(ResidualGroup),
    Merging(PatchMerging),
    Ftt(Ftt),
}

impl Part {
    fn forward(&self, io: &mut Tracer) -> Result<(), CaptureError> {
        let over = |part: &dyn Fn(Tensor<4>) -> Tensor<4>, map: Tensor<4>| {
            part(map.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
        };
        let made = match self {
            Self::Cab(part) => part.forward(io.input("input")?),
            Self::Attention(part) => over(&|x| part.forward(x, 0), io.input("input")?),
            Self::Hab(part) => over(&|x| part.forward(x), io.input("input")?),
            Self::Ocab(part) => over(&|x| part.forward(x), io.input("input")?),
            Self::Group(part) => part.forward(io.input("input")?),
            Self::Merging(part) => over(&|x| part.forward(x), io.input("input")?),
            Self::Ftt(part) => part.forward(io.input("coarse")?, io.input("fine")?),
        };
        io.output("output", made)
    }
}

/// A case of a golden.
struct Case {
    name: String,
    golden: TensorFile,
    numbers: HashMap<String, usize>,
}

impl Case {
    fn all(golden: &str) -> Vec<Self> {
        let names = TensorFile::golden(golden).metadata("cases");
        let names = names.split(' ');
        names.map(|name| Self::open(golden, name)).collect()
    }

    fn open(golden: &str, name: &str) -> Self {
        let golden = TensorFile::golden(golden);
        let numbers = golden.metadata(name);
        let numbers = numbers.split(' ').map(|number| {
            let (name, number) = number.split_once('=').expect("name=number");
            (name.to_owned(), number.parse().expect("a number"))
        });
        Self {
            name: name.to_owned(),
            numbers: numbers.collect(),
            golden,
        }
    }

    fn number(&self, name: &str) -> usize {
        self.numbers[name]
    }

    fn init(&self, device: &Device) -> Part {
        let config = || HatConfig::new(self.number("c"), self.number("n"), self.number("heads"));
        match &*self.name {
            "cab" => {
                let config = HatConfig::new(self.number("c"), 8, 8);
                Part::Cab(ChannelAttentionBlock::new(&config, device))
            }
            "attn" => Part::Attention(WindowAttention::new(&config(), device)),
            "hab" | "hab_shifted" => {
                Part::Hab(HybridBlock::new(&config(), self.number("shift"), device))
            }
            "ocab" => Part::Ocab(OverlappingBlock::new(&config(), device)),
            "rhag" | "rhag_small" => {
                Part::Group(ResidualGroup::new(&config(), device).expect("the windows fit"))
            }
            "merging" => Part::Merging(PatchMerging::new(self.number("c"), device)),
            name => {
                let mut forms = FttForm::ALL.into_iter();
                let form = forms.find(|form| form.name() == name);
                Part::Ftt(Ftt::new(form.expect("a form"), 256, device))
            }
        }
    }

    /// On the CPU engine, with seeded weights.
    fn module(&self) -> Part {
        let seed = self.golden.number("seed");
        let filled = parameters::fill(self.init(&Device::flex()), |path, shape| {
            let key = match path.starts_with("conv_block.") || self.name != "cab" {
                true => ftt::key(path),
                // The block itself, without what it stands in.
                false => {
                    let key = hat::key(&format!("conv_block.{path}"));
                    key.trim_start_matches("conv_block.").to_owned()
                }
            };
            let distribution = Distribution::usual(&key, shape, &[]);
            let name = format!("{}.{key}", self.name);
            Ok::<_, Infallible>(seeded_values(seed, &name, shape, distribution))
        });
        let Ok(module) = filled;
        module
    }

    fn inputs(&self) -> Vec<(&'static str, HostTensor)> {
        let [h, w] = ["h", "w"].map(|side| self.number(side));
        let inputs = match self.numbers.get("c") {
            Some(channels) => vec![("input", [1, *channels, h, w])],
            None => vec![("coarse", [1, 256, h, w]), ("fine", [1, 256, 2 * h, 2 * w])],
        };
        let seed = self.golden.number("seed");
        let input = |(input, shape): (&'static str, [usize; 4])| {
            let distribution = Distribution::around(0.0, 1.0);
            let values = seeded_values(
                seed,
                &format!("{}.{input}", self.name),
                &shape,
                distribution,
            );
            let shape = shape.to_vec();
            (input, HostTensor { shape, values })
        };
        inputs.into_iter().map(input).collect()
    }

    fn compare(&self, engine: &str, made: &[(String, HostTensor)]) {
        let [(_, made)] = made else {
            panic!("{}: one output", self.name)
        };
        let shape = self.golden.counts(&format!("{}.shape", self.name));
        assert_eq!(made.shape, shape, "{}", self.name);
        let expected = self.golden.floats(&format!("{}.sample", self.name));
        let found = sample(&made.values, 256);
        let what = format!("{} on {engine}", self.name);
        assert_close(&what, &found, &expected, TOLERANCE);
    }

    fn check_cpu(&self) {
        let given = self.inputs();
        let given: Vec<_> = given.iter().map(|(name, x)| (*name, x)).collect();
        let module = self.module();
        let made = run_eagerly(&given, &module, Part::forward, &Device::flex());
        self.compare("the CPU engine", &made.expect("it runs"));
    }

    fn check_gpu(self) {
        let given = self.inputs();
        let given: Vec<_> = given.iter().map(|(name, x)| (*name, x)).collect();
        let checkpoint = Checkpoint::of(&self.module());
        let Self { name, .. } = &self;
        let own = Self::open(self.golden_name(), name);
        let init = move |device: &Device| own.init(device);
        let network = Network::new(adapter::gpu(), init, Part::forward, checkpoint);
        let network = network.expect("the device is there");
        let made = network
            .run(&given)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        self.compare("the GPU", &made);
        let shapes: Vec<(&str, &[usize])> =
            given.iter().map(|(name, x)| (*name, &*x.shape)).collect();
        let plan = network.plan(&shapes).expect("it ran");
        println!("{name}: {} steps", plan.steps.len());
    }

    fn golden_name(&self) -> &'static str {
        match self.numbers.contains_key("parameters") {
            true => "ftt",
            false => "hat",
        }
    }
}

mod cpu {
    use super::*;

    #[test]
    fn hats_parts() {
        Case::all("hat").iter().for_each(Case::check_cpu);
    }

    #[test]
    fn feature_texture_transfer() {
        Case::all("ftt").iter().for_each(Case::check_cpu);
    }
}

mod gpu {
    use super::*;

    #[test]
    fn hats_parts() {
        Case::all("hat").into_iter().for_each(Case::check_gpu);
    }

    #[test]
    fn feature_texture_transfer() {
        Case::all("ftt").into_iter().for_each(Case::check_gpu);
    }
}

/// Every form has the published parameters, by the published keys where these are at hand.
#[test]
fn parameters_are_named_as_published() {
    for case in Case::all("ftt") {
        let module = case.init(&Device::flex());
        let mut found = Shapes::new();
        parameters::for_each(&module, |parameter| {
            found.insert(ftt::key(&parameter.path), parameter.shape);
        });
        let count: usize = found
            .values()
            .map(|shape| shape.iter().product::<usize>())
            .sum();
        assert_eq!(count, case.number("parameters"), "{}", case.name);
        let Some(published) = state_dict(&format!("efpn_{}_50", case.name)) else {
            continue;
        };
        let published = published.into_iter().filter_map(|(key, shape)| {
            let key = key.strip_prefix("backbone.ftt.")?;
            Some((key.to_owned(), shape))
        });
        assert_eq!(found, published.collect::<Shapes>(), "{}", case.name);
    }
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let refused = |config: HatConfig| {
        let group = ResidualGroup::new(&config, &Device::flex());
        group.expect_err("it does not fit").to_string()
    };
    assert_eq!(
        refused(HatConfig::new(96, 7, 4)),
        "HAT's attention has keys in windows of 10 around windows of 7: expected an even number more, half of them \
         on each side"
    );
    assert_eq!(
        refused(HatConfig::new(256, 8, 6)),
        "HAT's attention has 6 heads: expected a number that divides its 256 channels"
    );
    assert_eq!(
        refused(HatConfig::new(24, 8, 6)),
        "HAT has 24 channels: expected 30 or more, which channel attention divides them by"
    );
    HatConfig::new(180, 16, 6).check().expect("HAT's own");
}
