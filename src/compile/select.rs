//! Which way a convolution is computed on an adapter: the algorithm of a layer, and the form of a
//! product's kernel. Both are looked up in a table of times measured on adapters of its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::kernels::conv::{self, ConvForm, Epilogue};
use crate::kernels::{Dtype, Shader, chain};
use crate::plan::Plan;

/// What a plan is made for.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Most bytes of a buffer for activations.
    pub arena_limit: usize,
    /// Whether invocations can share values in subgroups of at least eight.
    pub subgroups: bool,
    /// How long convolutions take.
    pub table: ConvTable,
    /// What maps and weights are stored in, and products computed in.
    pub precision: Precision,
}

/// What maps and weights are stored in, and products computed in. Boxes and scores are computed in 32
/// bits from 32 bits, sums are kept in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// Stored in 16 bits, computed in 32: half the memory and its traffic, on every device.
    F16Storage,
    /// Stored and multiplied in 16 bits. Needs WebGPU's feature `shader-f16`.
    F16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16Storage, Self::F16];

    /// Its name for `--precision`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16Storage => "f16s",
            Self::F16 => "f16",
        }
    }

    /// What maps and weights are stored in.
    pub fn stored(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16Storage | Self::F16 => Dtype::F16,
        }
    }

    /// What products are computed in.
    pub fn product(self) -> Dtype {
        match self {
            Self::F32 | Self::F16Storage => Dtype::F32,
            Self::F16 => Dtype::F16,
        }
    }
}

impl Target {
    /// Any WebGPU device: its default limits, no features, nothing measured.
    pub fn webgpu() -> Self {
        Self {
            arena_limit: 256 << 20,
            subgroups: false,
            table: ConvTable::default(),
            precision: Precision::F32,
        }
    }

    /// The algorithm of a layer. Winograd's transforms would lose too much of 16 bits.
    pub fn algorithm(&self, size: &ConvSize) -> ConvAlgorithm {
        match self.precision {
            Precision::F32 => self.table.algorithm(size),
            Precision::F16Storage | Precision::F16 => ConvAlgorithm::Direct,
        }
    }

    /// The form for a product: of those whose dispatch `fits`, the fastest; none where none fits.
    pub fn form(&self, size: &ConvSize, fits: impl Fn(ConvForm) -> bool) -> Option<ConvForm> {
        self.table
            .form(size, |form| fits(form) && self.allows(form))
    }

    /// The form for the products of a layer that Winograd's algorithm computes.
    pub fn winograd_form(&self, size: &ConvSize) -> Option<ConvForm> {
        self.table.winograd_form(size, |form| self.allows(form))
    }

    /// All shaders that plans of a model may use, whatever the size, given its plan for one.
    pub fn shaders(&self, plan: &Plan) -> BTreeSet<Shader> {
        // A dispatch over very many pixels leaves out the forms with the smallest tiles.
        let forms = |epilogue: Epilogue| -> BTreeSet<ConvForm> {
            let least = ConvForm::ALL.into_iter().map(ConvForm::pixels);
            let forms = least.flat_map(|least| {
                self.table
                    .forms(|form| self.allows(form) && form.has(epilogue) && form.pixels() >= least)
            });
            forms.collect()
        };
        let forms = BTreeMap::from(Epilogue::ALL.map(|epilogue| (epilogue, forms(epilogue))));
        let mut shaders = BTreeSet::new();
        for shader in plan.steps.iter().map(|step| step.shader) {
            shaders.insert(shader);
            if let Some((_, epilogue)) = conv::variant(chain::without_tail(shader.kernel)) {
                shaders.extend(forms[&epilogue].iter().map(|form| {
                    let kernel = conv::kernel(*form, epilogue);
                    chain::with_tail_of(kernel, shader.kernel).shader(shader.dtypes)
                }));
            }
        }
        shaders
    }

    fn allows(&self, form: ConvForm) -> bool {
        // Invocations hand each other values of 32 bits only.
        let shares = self.subgroups && self.precision != Precision::F16;
        shares || !matches!(form, ConvForm::Subgroup(..))
    }
}

/// How a layer is computed. Its weights lie in memory accordingly, so it is one for all sizes of a
/// map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvAlgorithm {
    /// Each sum as it is defined.
    Direct,
    /// Winograd's F(4×4, 3×3): a quarter of the multiplications, four times the weights' memory.
    Winograd,
}

/// Channels in and out whose product is the most that Winograd's memory is spent on.
const MOST_WINOGRAD_WEIGHTS: usize = 256 * 256;

/// A convolution, or a matrix product of a row a pixel. Maps of several items are as one that is as high as
/// all of them: what counts is how many pixels are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConvSize {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels that are made.
    pub out_channels: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Step of the window, down and across.
    pub stride: [usize; 2],
    /// Height and width of the output.
    pub out_size: [usize; 2],
}

impl ConvSize {
    /// Floating-point operations, two for a multiplication with addition.
    pub fn flop(&self) -> u64 {
        let taps = self.kernel[0] * self.kernel[1];
        2 * (self.pixels() * taps * self.in_channels * self.out_channels) as u64
    }

    fn channels(&self) -> [usize; 2] {
        [self.in_channels, self.out_channels]
    }

    /// Pixels of the output.
    pub(super) fn pixels(&self) -> usize {
        self.out_size[0] * self.out_size[1]
    }

    /// Whether Winograd's F(4×4, 3×3) computes it, for all the memory it takes.
    pub fn suits_winograd(&self) -> bool {
        let least = self.in_channels.min(self.out_channels);
        self.kernel == [3, 3]
            && self.stride == [1, 1]
            && least >= 16
            && self.in_channels * self.out_channels <= MOST_WINOGRAD_WEIGHTS
    }

    /// Pixels, values that make a sum, and sums a pixel.
    fn product(&self) -> [usize; 3] {
        let taps = self.kernel[0] * self.kernel[1];
        [self.pixels(), taps * self.in_channels, self.out_channels]
    }
}

/// Times of convolutions on one adapter, or on one that stands for its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConvTable {
    /// Name of the adapter they were measured on.
    pub adapter: String,
    /// The convolutions that were measured.
    pub rows: Vec<ConvTimes>,
}

/// How long one convolution takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvTimes {
    /// Which.
    pub size: ConvSize,
    /// Seconds by each form.
    pub forms: BTreeMap<ConvForm, f64>,
    /// Seconds of all three steps of Winograd's algorithm by the form of its products; none where it
    /// does not suit.
    pub winograd: BTreeMap<ConvForm, f64>,
}

impl ConvTimes {
    /// The fastest form and its seconds.
    pub fn fastest(&self) -> Option<(ConvForm, f64)> {
        fastest(&self.forms, |_| true)
    }

    /// The fastest form for the products of Winograd's algorithm, and seconds of the whole.
    pub fn fastest_winograd(&self) -> Option<(ConvForm, f64)> {
        fastest(&self.winograd, |_| true)
    }
}

fn fastest(
    times: &BTreeMap<ConvForm, f64>,
    allowed: impl Fn(ConvForm) -> bool,
) -> Option<(ConvForm, f64)> {
    let forms = times.iter().map(|(form, seconds)| (*form, *seconds));
    forms
        .filter(|(form, _)| allowed(*form))
        .min_by(|a, b| a.1.total_cmp(&b.1))
}

impl ConvTable {
    /// The table that ships for adapters that compute on the CPU, measured on llvmpipe by
    /// `fpn-bench conv`.
    pub fn software() -> Self {
        static TABLE: LazyLock<ConvTable> = LazyLock::new(|| {
            serde_json::from_str(include_str!("software.json"))
                .expect("the table that ships is valid")
        });
        TABLE.clone()
    }

    /// The algorithm of a layer; Winograd's only where it was measured to be faster over the
    /// largest map of the layer that is most like it.
    pub fn algorithm(&self, size: &ConvSize) -> ConvAlgorithm {
        if !size.suits_winograd() {
            return ConvAlgorithm::Direct;
        }
        let largest = |row: &&ConvTimes| std::cmp::Reverse(row.size.pixels());
        let rows = self.rows.iter().filter(|row| !row.winograd.is_empty());
        let mut rows: Vec<&ConvTimes> = rows.collect();
        rows.sort_by_key(largest);
        let nearest = rows.into_iter().min_by(|a, b| {
            let distance = |row: &ConvTimes| distance(row.size.channels(), size.channels());
            distance(a).total_cmp(&distance(b))
        });
        let gains = nearest.is_some_and(|row| {
            let seconds = |fastest: Option<(ConvForm, f64)>| fastest.map_or(f64::INFINITY, |f| f.1);
            seconds(row.fastest_winograd()) < seconds(row.fastest())
        });
        match gains {
            true => ConvAlgorithm::Winograd,
            false => ConvAlgorithm::Direct,
        }
    }

    /// The form for the products of a layer that Winograd's algorithm computes; none where `allowed`
    /// takes none of those that every adapter has.
    fn winograd_form(
        &self,
        size: &ConvSize,
        allowed: impl Fn(ConvForm) -> bool,
    ) -> Option<ConvForm> {
        self.winograd_choices(allowed).nearest(size)
    }

    /// The form for a product: of those that `allowed` takes, the fastest for the measured product
    /// that is most like it; none where `allowed` takes none of those that every adapter has.
    pub fn form(&self, size: &ConvSize, allowed: impl Fn(ConvForm) -> bool) -> Option<ConvForm> {
        self.choices(allowed).nearest(size)
    }

    /// The forms that products of any size take.
    fn forms(&self, allowed: impl Fn(ConvForm) -> bool) -> BTreeSet<ConvForm> {
        let choices = [self.choices(&allowed), self.winograd_choices(&allowed)];
        choices.iter().flat_map(Choices::forms).collect()
    }

    fn choices(&self, allowed: impl Fn(ConvForm) -> bool) -> Choices {
        let measured = self.measured(|row| &row.forms, &allowed);
        match measured.is_empty() {
            true => Choices::Unmeasured(UNMEASURED.into_iter().filter(|f| allowed(*f)).collect()),
            false => Choices::Measured(measured),
        }
    }

    fn winograd_choices(&self, allowed: impl Fn(ConvForm) -> bool) -> Choices {
        let measured = self.measured(|row| &row.winograd, &allowed);
        match measured.is_empty() {
            true => self.choices(allowed),
            false => Choices::Measured(measured),
        }
    }

    /// Each measured product, and the fastest of its `times` by a form that is allowed.
    fn measured(
        &self,
        times: impl Fn(&ConvTimes) -> &BTreeMap<ConvForm, f64>,
        allowed: impl Fn(ConvForm) -> bool,
    ) -> Vec<([usize; 3], ConvForm)> {
        let rows = self.rows.iter();
        rows.filter_map(|row| Some((row.size.product(), fastest(times(row), &allowed)?.0)))
            .collect()
    }
}

/// What the form of a product is chosen from.
enum Choices {
    /// Products, and the best form of each.
    Measured(Vec<([usize; 3], ConvForm)>),
    /// Those of [`UNMEASURED`] that are allowed.
    Unmeasured(Vec<ConvForm>),
}

impl Choices {
    fn nearest(&self, size: &ConvSize) -> Option<ConvForm> {
        let product = size.product();
        match self {
            Self::Measured(products) => {
                let to = |measured: &[usize; 3]| distance(*measured, product);
                let nearest = products.iter().min_by(|a, b| to(&a.0).total_cmp(&to(&b.0)));
                nearest.map(|(_, form)| *form)
            }
            Self::Unmeasured(forms) => {
                let [pixels, _, channels] = product;
                match pixels < 1024 || channels < 64 {
                    true => forms.last().copied(),
                    false => forms.first().copied(),
                }
            }
        }
    }

    fn forms(&self) -> Vec<ConvForm> {
        match self {
            Self::Measured(products) => products.iter().map(|(_, form)| *form).collect(),
            Self::Unmeasured(forms) => forms.clone(),
        }
    }
}

/// Forms that suit GPUs as a rule, where nothing was measured: large products the first, small ones
/// the last.
const UNMEASURED: [ConvForm; 3] = [
    ConvForm::Tiled,
    ConvForm::Registers(8),
    ConvForm::Registers(4),
];

/// How unlike two shapes are: the square of the distance of their logarithms.
fn distance<const N: usize>(a: [usize; N], b: [usize; N]) -> f64 {
    let pairs = a.into_iter().zip(b);
    pairs
        .map(|(a, b)| (a as f64 / b as f64).log2().powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(channels: usize, side: usize) -> ConvSize {
        ConvSize {
            in_channels: channels,
            out_channels: channels,
            kernel: [3, 3],
            stride: [1, 1],
            out_size: [side; 2],
        }
    }

    fn row(size: ConvSize, forms: &[(ConvForm, f64)], winograd: f64) -> ConvTimes {
        let small = ConvForm::Registers(4);
        ConvTimes {
            size,
            forms: forms.iter().copied().collect(),
            winograd: [(small, winograd)].into(),
        }
    }

    #[test]
    fn the_most_similar_row_decides() {
        let (small, large) = (ConvForm::Registers(4), ConvForm::Tiled);
        let table = ConvTable {
            adapter: String::new(),
            rows: vec![
                row(size(64, 8), &[(small, 1.0), (large, 2.0)], 3.0),
                row(size(256, 128), &[(small, 2.0), (large, 1.0)], 0.5),
            ],
        };
        assert_eq!(table.form(&size(64, 16), |_| true), Some(small));
        assert_eq!(table.form(&size(128, 128), |_| true), Some(large));
        let others = |form| form != large;
        assert_eq!(table.form(&size(128, 128), others), Some(small));
        assert_eq!(table.form(&size(128, 128), |_| false), None);
        assert_eq!(table.algorithm(&size(64, 128)), ConvAlgorithm::Direct);
        assert_eq!(table.algorithm(&size(256, 8)), ConvAlgorithm::Winograd);
        assert_eq!(table.algorithm(&size(512, 8)), ConvAlgorithm::Direct);
    }

    /// Pipelines are made for these, so that no frame has to wait for one.
    #[test]
    fn the_forms_of_a_table_are_all_that_any_size_takes() {
        let winograd_alone = row(size(64, 8), &[], 1.0);
        let direct_alone = ConvTimes {
            winograd: BTreeMap::new(),
            ..row(size(64, 8), &[(ConvForm::Subgroup(8, 64), 1.0)], 0.0)
        };
        for rows in [
            vec![],
            vec![winograd_alone.clone()],
            vec![direct_alone.clone()],
            vec![winograd_alone, direct_alone],
        ] {
            let table = ConvTable {
                adapter: String::new(),
                rows,
            };
            for without in ConvForm::ALL {
                let allowed = |form| form != without;
                let forms = table.forms(allowed);
                for size in [size(16, 4), size(64, 8), size(256, 128)] {
                    let taken = [
                        table.form(&size, allowed),
                        table.winograd_form(&size, allowed),
                    ];
                    for form in taken {
                        let form = form.expect("every adapter has two others");
                        assert!(forms.contains(&form), "{form} of {table:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_table_that_ships_has_a_form_for_every_device() {
        let table = ConvTable::software();
        let without = |form| !matches!(form, ConvForm::Subgroup(..));
        assert!(table.form(&size(64, 64), without).is_some_and(without));
        assert!(table.rows.iter().all(|row| row.fastest().is_some()));
    }
}
