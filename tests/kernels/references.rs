//! Kernels against their CPU references: over the shapes that matter, then over random ones.

use fpn_wgpu::boxes::Edges;
use fpn_wgpu::kernels::checks::{Case, Random};
use fpn_wgpu::kernels::decode_anchors::AnchorsShape;
use fpn_wgpu::kernels::decode_dense::DenseShape;
use fpn_wgpu::kernels::decode_proposals::ProposalsShape;
use fpn_wgpu::kernels::decode_rois::RoisShape;
use fpn_wgpu::kernels::pixel_shuffle::ShuffleShape;
use fpn_wgpu::kernels::pool::{PoolShape, Pooling};
use fpn_wgpu::kernels::preprocess::{PreprocessShape, Sampling};
use fpn_wgpu::kernels::product::ProductShape;
use fpn_wgpu::kernels::reduce::Reduction;
use fpn_wgpu::kernels::roi_align::RoiAlignShape;
use fpn_wgpu::kernels::roi_pool::RoiPoolShape;
use fpn_wgpu::kernels::select_detections::CandidatesShape;
use fpn_wgpu::kernels::softmax::Softmax;
use fpn_wgpu::kernels::top_scores::{ScoresShape, Source};
use fpn_wgpu::kernels::upsample::ResizeShape;
use fpn_wgpu::kernels::upsample_add::{UpsampleShape, Upsampling};
use fpn_wgpu::kernels::{self, Dtypes, Layout, Shader};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, align};
use fpn_wgpu::ops::roi_pool::{RoiPoolOptions, pool as pool_roi};
use fpn_wgpu::verify;
use proptest::prelude::*;
use proptest::sample::select;

use crate::adapter::gpu;

#[test]
fn every_kernel_is_its_reference() {
    let gpu = gpu();
    let mut failed = Vec::new();
    for shader in verify::shaders(&gpu) {
        let check = verify::kernel(&gpu, shader);
        println!(
            "{}: {:.1e} over {} cases",
            check.name, check.difference, check.cases
        );
        if !check.passed {
            failed.push(check);
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What the radix selection finds is what sorting finds.
#[test]
fn top_anchors_are_the_first_when_sorted() {
    for case in kernels::top_anchors::KERNEL.shader(Dtypes::F32).cases() {
        let [cells, anchors, pitch, limit] = case.dispatch.params[..] else {
            panic!("{}: four parameters", case.about)
        };
        // -0 is no less than 0.
        let logit = |place: u32| f32::from_bits(case.bindings[0][place as usize]) + 0.0;
        let mut sorted: Vec<u32> = (0..cells * anchors)
            .map(|anchor| anchor / anchors * pitch + anchor % anchors)
            .filter(|&place| !logit(place).is_nan())
            .collect();
        sorted.sort_by(|&a, &b| logit(b).total_cmp(&logit(a)));
        sorted.truncate(limit as usize);
        sorted.sort_unstable();
        let chosen = &case.expected()[1];
        let mut found = chosen[1..][..chosen[0] as usize].to_vec();
        found.sort_unstable();
        assert_eq!(found, sorted, "{}", case.about);
    }
}

/// A comparison in which neither side writes would prove nothing.
#[test]
fn every_kernel_has_cases_that_write() {
    for shader in Shader::all() {
        let cases = shader.cases();
        let mut writing = cases.iter().filter(|case| case.expected() != case.bindings);
        assert!(writing.next().is_some(), "{shader}");
    }
}

#[test]
fn more_workgroups_than_one_dimension_has_go_on_in_the_next() {
    let shape = UpsampleShape {
        items: 1,
        fine: [2050, 2048],
        coarse: [1025, 1024],
        channels: 4,
        slope: 1.0,
    };
    let case = kernels::upsample_add::case(Upsampling::Nearest, shape, &mut Random::new(1));
    assert!(case.dispatch.workgroups[1] > 1);
    check(&case);
}

/// In 32 bits: where SwiftShader packs NaN or an infinity in 16 bits, it spoils what stands beside it.
#[test]
fn nan_and_infinities_come_through() {
    let rows = [
        [f32::NAN, 1.0, -2.0, 0.25, 7.0],
        [1.0, -2.0, f32::NAN, 0.25, 7.0],
        [1.0, -2.0, 0.25, 7.0, f32::NAN],
        [f32::INFINITY, 1.0, -1.0, 2.0, 0.5],
        [1.0, 2.0, f32::NEG_INFINITY, 0.5, -1.0],
        [f32::NEG_INFINITY; 5],
    ];
    for inner in 0..2 {
        let shape = vec![rows.len(), rows[0].len()];
        let layout = Layout { shape, inner };
        let check_of = |mut case: Case| {
            for (place, value) in layout.places().zip(rows.as_flattened()) {
                case.bindings[0][place] = value.to_bits();
            }
            check(&case);
        };
        let random = &mut Random::new(1);
        for reduction in Reduction::ALL {
            check_of(kernels::reduce::case(reduction, &layout, 1, random));
        }
        for kind in Softmax::ALL {
            check_of(kernels::softmax::case(kind, &layout, 1, 1.0, random));
        }
    }
}

/// Of values whose exponentials no float holds.
#[test]
fn shares_sum_to_one() {
    let layout = Layout {
        shape: vec![9, 7],
        inner: 1,
    };
    for dimension in 0..2 {
        let random = &mut Random::new(3);
        let case = kernels::softmax::case(Softmax::Plain, &layout, dimension, 1e4, random);
        let made = &case.expected()[1];
        let mut sums = vec![0.0; layout.shape[1 - dimension]];
        for (index, place) in layout.places().enumerate() {
            let row = [index % 7, index / 7][dimension];
            sums[row] += f32::from_bits(made[place]);
        }
        assert!(
            sums.iter().all(|sum| (sum - 1.0_f32).abs() < 1e-6),
            "{sums:?}"
        );
    }
}

/// The reference in the kernel's layout is the one that is tested against torchvision.
#[test]
fn roi_align_is_that_of_the_cpu_engine() {
    let (finest, channels, capacity) = ([30, 41], 8, 20);
    // What no picture has, and samples by the thousand off the map.
    let others = [
        [f32::NAN; 4],
        [4.0, 8.0, f32::INFINITY, 24.0],
        [f32::MIN, f32::MIN, f32::MAX, f32::MAX],
        [60.0, 80.0, 20.0, 120.0],
        [60.0, 80.0, 20.0, 30.0],
        [-1e5, -1e5, 1e5, 1e5],
        [-1e5, 20.0, 1e5, 60.0],
        [30.0, -1e5, 100.0, 1e5],
    ];
    for (sampling_ratio, aligned) in [(2, false), (0, false), (0, true)] {
        let options = RoiAlignOptions {
            sampling_ratio,
            aligned,
            ..RoiAlignOptions::torchvision([7, 5])
        };
        let random = &mut Random::new(5);
        let boxes: Vec<[f32; 4]> = (0..capacity - others.len())
            .map(|k| random.bbox([120, 164], 60.0 * k as f32 + 9.0))
            .chain(others)
            .collect();
        let shape = RoiAlignShape {
            finest,
            levels: 4,
            bound: [0, 4],
            channels,
            capacity,
            cells: options.output,
            sampling_ratio,
            aligned,
            canonical_level: options.canonical_level,
            canonical_size: options.canonical_size,
            epsilons: options.epsilons,
        };
        let case = kernels::roi_align::case(shape, &boxes, random);
        // Behind boxes and count, before the levels.
        let found = &case.expected()[2];
        let cells = options.output[0] * options.output[1];
        for (roi, &bbox) in boxes.iter().enumerate() {
            let level = options.level_of(bbox);
            let size = finest.map(|side: usize| side.div_ceil(1 << level));
            let stored = &case.bindings[3 + level];
            let values: Vec<f32> = (0..channels)
                .flat_map(|channel| stored.iter().skip(channel).step_by(channels))
                .map(|&bits| f32::from_bits(bits))
                .collect();
            let map = Map {
                values: &values,
                shape: [channels, size[0], size[1]],
            };
            let mut expected = vec![0.0; channels * cells];
            align(
                &map,
                bbox,
                1.0 / (4 << level) as f32,
                &options,
                &mut expected,
            );
            for (index, expected) in expected.into_iter().enumerate() {
                let (channel, cell) = (index / cells, index % cells);
                let found = f32::from_bits(found[(roi * cells + cell) * channels + channel]);
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{found} instead of {expected}"
                );
            }
        }
    }
}

/// The reference in the kernel's layout is the one that is tested against torchvision's definition.
#[test]
fn roi_pool_is_that_of_the_cpu_engine() {
    let shape = RoiPoolShape {
        size: [9, 12],
        channels: 8,
        stride: 16,
        capacity: 24,
        cells: [7, 5],
    };
    let options = RoiPoolOptions {
        output: shape.cells,
        stride: shape.stride,
    };
    let random = &mut Random::new(5);
    let others = [
        [8.0, 24.0, 40.0, 56.0],
        [f32::NAN; 4],
        [60.0, 80.0, 20.0, 30.0],
    ];
    let boxes: Vec<[f32; 4]> = (0..20)
        .map(|k| random.bbox([144, 192], 12.0 * k as f32 + 9.0))
        .chain(others)
        .collect();
    let case = kernels::roi_pool::case(shape, &boxes, random);
    let found = &case.expected()[2];
    let stored = &case.bindings[3];
    let values: Vec<f32> = (0..shape.channels)
        .flat_map(|channel| stored.iter().skip(channel).step_by(shape.channels))
        .map(|&bits| f32::from_bits(bits))
        .collect();
    let map = Map {
        values: &values,
        shape: [shape.channels, shape.size[0], shape.size[1]],
    };
    let cells = shape.cells[0] * shape.cells[1];
    for (roi, &bbox) in boxes.iter().enumerate() {
        let mut expected = vec![0.0; shape.channels * cells];
        pool_roi(&map, bbox, options, &mut expected);
        for (index, expected) in expected.into_iter().enumerate() {
            let (channel, cell) = (index / cells, index % cells);
            let place = (roi * cells + cell) * shape.channels + channel;
            assert_eq!(f32::from_bits(found[place]), expected, "{bbox:?}");
        }
    }
}

pub fn check(case: &Case) {
    let difference = verify::compare(&gpu(), case).unwrap_or_else(|error| panic!("{error}"));
    let tolerance = case.dispatch.shader.tolerance();
    assert!(
        difference.relative <= tolerance,
        "{}: {difference}",
        case.about
    );
}

pub fn sides(longest: usize) -> impl Strategy<Value = [usize; 2]> {
    [1..=longest, 1..=longest]
}

pub fn upsampling() -> impl Strategy<Value = Upsampling> {
    select(vec![Upsampling::Nearest, Upsampling::Bilinear])
}

pub fn slope() -> impl Strategy<Value = f32> {
    select(vec![1.0, 0.0, 0.1])
}

/// One map, or several.
pub fn items() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), 2..5_usize]
}

/// A tensor, and one of its dimensions.
fn layout() -> impl Strategy<Value = (Layout, usize)> {
    let shape = proptest::collection::vec(1..9_usize, 1..6);
    (
        shape,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(shape, inner, dimension)| {
            let [inner, dimension] = [inner, dimension].map(|index| index.index(shape.len()));
            (Layout { shape, inner }, dimension)
        })
}

fn edges() -> impl Strategy<Value = Edges> {
    select(vec![Edges::Exclusive, Edges::Inclusive])
}

fn candidates_shape() -> impl Strategy<Value = CandidatesShape> {
    let few = (0..400_usize, 1..300_usize, 1..120_usize);
    let many = (0..4000_usize, 1000..3000_usize, 1..1200_usize);
    let threshold = select(vec![0.0_f32, 0.3, 0.5, 0.9]);
    let scores = select(vec![1_usize, 3, 30, 1000, 1_000_000]);
    let places = select(vec![1_usize, 9, 200, usize::MAX]);
    let kinds = (select(vec![2_usize, 5]), 1..9_usize, scores, places);
    let ways = (edges(), any::<bool>());
    (prop_oneof![few, many], kinds, threshold, ways).prop_map(
        |(
            (found, capacity, limit),
            (blocks, classes, scores, places),
            threshold,
            (edges, is_restored),
        )| {
            CandidatesShape {
                found,
                capacity,
                blocks,
                classes,
                scores,
                places,
                limit,
                threshold,
                edges,
                is_restored,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn pool(
        pooling in select(vec![Pooling::Maximum, Pooling::Average]),
        items in items(),
        size in sides(30),
        channels in 1..40_usize,
        window in select(vec![[3, 2, 1, 1], [1, 2, 1, 0], [3, 1, 1, 1], [3, 1, 2, 2], [2, 2, 1, 1]]),
        past in [0..2_usize, 0..2_usize],
        counts: bool,
        seed: u64,
    ) {
        let counted = if counts { window[3] } else { 0 };
        let shape = PoolShape { items, size, channels, window, past, counted };
        check(&kernels::pool::case(pooling, shape, &mut Random::new(seed)));
    }

    #[test]
    fn upsample(upsampling in upsampling(), items in items(), channels in 1..40_usize, from in sides(20), to in sides(30), aligned: bool, seed: u64) {
        let shape = ResizeShape { items, channels, from, to, aligned };
        check(&kernels::upsample::case(upsampling, shape, &mut Random::new(seed)));
    }

    #[test]
    fn upsample_add(items in items(), fine in sides(30), part in [1..4_usize, 1..4_usize], channels in 1..40_usize, slope in slope(), upsampling in upsampling(), seed: u64) {
        let coarse = [0, 1].map(|axis| fine[axis].div_ceil(part[axis]));
        let shape = UpsampleShape { items, fine, coarse, channels, slope };
        check(&kernels::upsample_add::case(upsampling, shape, &mut Random::new(seed)));
    }

    #[test]
    fn pixel_shuffle(size in sides(12), channels in 1..20_usize, factor in 1..5_usize, seed: u64) {
        let shape = ShuffleShape { size, channels, factor };
        check(&kernels::pixel_shuffle::case(shape, &mut Random::new(seed)));
    }

    #[test]
    fn reduce(reduction in select(Reduction::ALL.to_vec()), (layout, dimension) in layout(), seed: u64) {
        check(&kernels::reduce::case(reduction, &layout, dimension, &mut Random::new(seed)));
    }

    /// Those of the tensor as it is, whatever lies where, and zeros beside them.
    #[test]
    fn sums_along_a_dimension((layout, dimension) in layout(), seed: u64) {
        let case = kernels::reduce::case(Reduction::Sum, &layout, dimension, &mut Random::new(seed));
        let made = &case.expected()[1];
        let output = kernels::reduce::output(&layout, dimension);
        let inside: usize = layout.shape[dimension + 1..].iter().product();
        let mut sums = vec![0.0; output.len()];
        for (index, place) in layout.places().enumerate() {
            let before = index / inside / layout.shape[dimension];
            sums[before * inside + index % inside] += f32::from_bits(case.bindings[0][place]);
        }
        let mut expected = vec![0.0_f32; made.len()];
        for (place, sum) in output.places().zip(sums) {
            expected[place] = sum;
        }
        for (made, expected) in made.iter().zip(expected) {
            prop_assert!((f32::from_bits(*made) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn softmax(kind in select(Softmax::ALL.to_vec()), (layout, dimension) in layout(), largest in 0.1..100.0_f32, seed: u64) {
        // The logarithm of a lone share is 0, and no difference is a small part of that.
        prop_assume!(kind != Softmax::Log || layout.shape[dimension] > 1);
        check(&kernels::softmax::case(kind, &layout, dimension, largest, &mut Random::new(seed)));
    }

    #[test]
    fn layer_norm((layout, _) in layout(), mean in -3.0..3.0_f32, seed: u64) {
        check(&kernels::layer_norm::case(&layout, mean, 1e-5, &mut Random::new(seed)));
    }

    #[test]
    fn product(
        batches in proptest::collection::vec(1..5_usize, 0..4),
        rows in prop_oneof![1..20_usize, 200..300_usize],
        depth in 1..70_usize,
        columns in 1..70_usize,
        is_shared: bool,
        seed: u64,
    ) {
        let shape = ProductShape { batches, rows, depth, columns, is_shared };
        check(&kernels::product::case(&shape, &mut Random::new(seed)));
    }

    #[test]
    fn preprocess(
        original in prop_oneof![sides(60), sides(600)],
        resized in sides(60),
        padding in [0..20_usize, 0..20_usize],
        sampling in select(vec![Sampling::Bilinear, Sampling::Antialiased]),
        is_bgr: bool,
        seed: u64,
    ) {
        let padded = [0, 1].map(|axis| resized[axis] + padding[axis]);
        let shape = PreprocessShape { original, resized, padded, is_bgr };
        check(&kernels::preprocess::case(sampling, shape, &mut Random::new(seed)));
    }

    #[test]
    fn roi_align(
        finest in sides(40),
        channels in 1..20_usize,
        count in 0..20_usize,
        cells in sides(8),
        sampling_ratio in 0..4_usize,
        aligned: bool,
        (levels, first, most) in (1..=6_usize, 0..6_usize, 1..=4_usize),
        canonical_level in 1..6_usize,
        seed: u64,
    ) {
        let first = first.min(levels - 1);
        let bound = [first, most.min(levels - first)];
        let random = &mut Random::new(seed);
        let picture = finest.map(|side| 4 * side);
        let boxes: Vec<[f32; 4]> = (0..count).map(|_| random.bbox(picture, 300.0)).collect();
        let shape = RoiAlignShape {
            finest,
            levels,
            bound,
            channels,
            capacity: 20,
            cells,
            sampling_ratio,
            aligned,
            canonical_level,
            canonical_size: 112.0,
            epsilons: if aligned { [1e-8, 0.0] } else { [0.0, 1e-6] },
        };
        check(&kernels::roi_align::case(shape, &boxes, random));
    }

    #[test]
    fn roi_pool(size in sides(30), channels in 1..20_usize, stride in 1..20_usize, count in 0..20_usize, cells in sides(15), seed: u64) {
        let random = &mut Random::new(seed);
        let picture = size.map(|side| stride * side);
        let boxes: Vec<[f32; 4]> = (0..count).map(|_| random.bbox(picture, 300.0)).collect();
        let shape = RoiPoolShape { size, channels, stride, capacity: 20, cells };
        check(&kernels::roi_pool::case(shape, &boxes, random));
    }

    #[test]
    fn top_anchors(
        logits in proptest::collection::vec(select(vec![0.0_f32, -0.0, 1.0, 1.5, -3.0, f32::NAN, 1e-20]), 1..400),
        per_cell in 1..=16_usize,
        limit in 1..300_usize,
    ) {
        let logits: Vec<f32> = logits.repeat(per_cell);
        check(&kernels::top_anchors::case(&logits, per_cell, limit, "few values"));
    }

    #[test]
    fn top_anchors_of_any_bits(logits in proptest::collection::vec(any::<u32>(), 1..500), limit in 1..400_usize) {
        let logits: Vec<f32> = logits.into_iter().map(f32::from_bits).collect();
        check(&kernels::top_anchors::case(&logits, 1, limit, "any bits"));
    }

    #[test]
    fn decode_proposals(size in sides(12), per_cell in 1..=16_usize, chosen in 0..300_usize, spare in 0..50_usize, first_slot in 0..100_usize, edges in edges(), seed: u64) {
        let shape = ProposalsShape { size, per_cell, chosen, limit: chosen + spare + 1, first_slot, edges };
        check(&kernels::decode_proposals::case(shape, &mut Random::new(seed)));
    }

    #[test]
    fn nms_levels(levels in 1..=6_usize, slots in 1..1500_usize, filled in 0..1500_usize, threshold in 0.0..1.0_f32, edges in edges(), seed: u64) {
        check(&kernels::nms_levels::case(levels, slots, filled, threshold, edges, &mut Random::new(seed)));
    }

    #[test]
    fn merge_proposals(first in 0..5_usize, levels in 1..=6_usize, slots in 1..200_usize, filled in 0..200_usize, limit in 1..400_usize, seed: u64) {
        check(&kernels::merge_proposals::case(first..first + levels, slots, filled, limit, &mut Random::new(seed)));
    }

    #[test]
    fn decode_rois(rois in 0..300_usize, spare in 1..20_usize, classes in 2..30_usize, capacity in 1..2000_usize, is_agnostic: bool, edges in edges(), first_class in 0..2_usize, seed: u64) {
        let shape = RoisShape { rois, slots: rois + spare, classes, capacity, threshold: 0.05, is_agnostic, edges, first_class };
        check(&kernels::decode_rois::case(shape, &mut Random::new(seed)));
    }

    #[test]
    fn decode_anchors(size in sides(20), per_cell in 1..=16_usize, capacity in 1..2000_usize, before in proptest::option::of(0..50_usize), seed: u64) {
        let shape = AnchorsShape { size, per_cell, capacity, before, threshold: 0.5 };
        check(&kernels::decode_anchors::case(shape, &mut Random::new(seed)));
    }

    #[test]
    fn top_scores(source in select(Source::ALL.to_vec()), rows in 1..200_usize, row in 1..200_usize, share in 1..20_usize, limit in 1..2000_usize, step in 0.0..2.0_f32, threshold in 0.0..1.0_f32, seed: u64) {
        let shape = ScoresShape { rows, row, share: 4 * share, limit, threshold, step };
        check(&kernels::top_scores::case(source, shape, &mut Random::new(seed)));
    }

    #[test]
    fn decode_dense(size in sides(20), per_cell in 1..=16_usize, classes in 1..100_usize, code in 0..3_u32, bins in 1..20_usize, first_box in 0..100_usize, capacity in 1..2000_usize, before in proptest::option::of(0..50_usize), seed: u64) {
        let shape = DenseShape { size, per_cell, classes, code, bins, first_box, extent: [0.0; 2], lists: &[40, 0, 300], capacity, before };
        check(&kernels::decode_dense::case(shape, &mut Random::new(seed)));
    }

    #[test]
    fn select_detections(shape in candidates_shape(), with_rois: bool, seed: u64) {
        check(&kernels::select_detections::case(shape, with_rois, &mut Random::new(seed)));
    }

    #[test]
    fn check_finite(mut map in proptest::collection::vec(any::<f32>(), 4..2000)) {
        map.truncate(map.len() / 4 * 4);
        check(&kernels::check_finite::case(&map));
    }
}
