//! The plans of every model at several sizes.

use std::collections::{BTreeMap, HashSet};

use fpn_wgpu::compile::{ConvSize, ConvTable, ConvTimes, Precision, Target, compile};
use fpn_wgpu::kernels::conv::ConvForm;
use fpn_wgpu::models::faster_rcnn::RESNET50_FPN;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{Architecture, ModelConfig, Request, Stage, nanodet};
use fpn_wgpu::plan::{Binding, MapKind, Plan, Range};

/// Heights and widths of pictures.
const PICTURES: [[usize; 2]; 4] = [[64, 64], [320, 320], [480, 640], [1333, 801]];

/// How much more memory than the least possible a plan may take.
const MEMORY_OVERHEAD: f64 = 1.25;

/// The same where the tiles of Winograd's algorithm lie between the activations: of the smallest model,
/// whose maps are as small as they are, a quarter more is not enough.
const MEMORY_OVERHEAD_OF_TILES: f64 = 1.27;

/// Most shaders that a model's plans of all sizes may use: each takes a driver time to compile.
const MOST_SHADERS: usize = 25;

/// What plans are made for: any device, a software adapter with subgroups, and one that stores in 16
/// bits.
fn targets() -> [(&'static str, Target); 3] {
    let software = Target {
        subgroups: true,
        table: ConvTable::software(),
        ..Target::webgpu()
    };
    let half = Target {
        precision: Precision::F16Storage,
        ..software.clone()
    };
    [
        ("webgpu", Target::webgpu()),
        ("software", software),
        ("software f16s", half),
    ]
}

fn most_overhead(case: &str) -> f64 {
    match case.ends_with("for software") {
        true => MEMORY_OVERHEAD_OF_TILES,
        false => MEMORY_OVERHEAD,
    }
}

/// Every model at every size for every target, named.
fn plans() -> impl Iterator<Item = (String, Plan)> {
    targets().into_iter().flat_map(|(name, target)| {
        let cases = Architecture::all();
        let cases = cases.flat_map(|architecture| PICTURES.map(|picture| (architecture, picture)));
        cases.map(move |(architecture, picture)| {
            let case = format!("{architecture} at {picture:?} for {name}");
            (case, plan(architecture, picture, &target))
        })
    })
}

fn plan(architecture: Architecture, picture: [usize; 2], target: &Target) -> Plan {
    requested(&Request::of(architecture), architecture, picture, target)
}

fn requested(
    request: &Request,
    architecture: Architecture,
    picture: [usize; 2],
    target: &Target,
) -> Plan {
    let config = ModelConfig::of(architecture);
    let transform = config.transform();
    let padded = transform.frame(picture).padded;
    compile(&config, &transform, request, padded, target)
        .unwrap_or_else(|error| panic!("{architecture} at {picture:?}: {error}"))
}

fn ranges(bindings: &[Binding]) -> Vec<Range> {
    let ranges = bindings.iter().filter_map(|binding| match binding {
        Binding::Arena(range) => Some(*range),
        _ => None,
    });
    ranges.collect()
}

#[test]
fn plans_of_all_sizes_use_the_same_constants() {
    for (name, target) in targets() {
        for architecture in Architecture::all() {
            let plans = PICTURES.map(|picture| plan(architecture, picture, &target));
            let [first, others @ ..] = plans.map(|plan| {
                let constants = plan
                    .constants
                    .iter()
                    .map(|constant| format!("{constant:?}"));
                let distinct: HashSet<String> = constants.collect();
                assert_eq!(
                    distinct.len(),
                    plan.constants.len(),
                    "{architecture} for {name}: one twice"
                );
                distinct
            });
            for other in others {
                assert_eq!(other, first, "{architecture} for {name}");
            }
        }
    }
}

/// So that a new size never waits for the driver.
#[test]
fn plans_of_all_sizes_use_the_shaders_that_are_known_from_one() {
    for (name, target) in targets() {
        for architecture in Architecture::all() {
            let plans = PICTURES.map(|picture| plan(architecture, picture, &target));
            let known = target.shaders(&plans[0]);
            for step in plans.iter().flat_map(|plan| &plan.steps) {
                let shader = step.shader;
                assert!(
                    known.contains(&shader),
                    "{architecture} for {name}: {shader}"
                );
            }
        }
    }
}

/// A picture so large that the fastest forms would take more workgroups than a dimension has takes others.
#[test]
fn plans_of_very_large_pictures_use_the_shaders_that_are_known_too() {
    // Over two, four and eight million pixels of the first map: photographs of 12, 18 and 33 megapixels.
    let pictures = [[3000, 4000], [4200, 4200], [5792, 5792]];
    for fastest in ConvForm::ALL {
        for is_reversed in [false, true] {
            let mut forms = ConvForm::ALL.to_vec();
            if is_reversed {
                forms.reverse();
            }
            forms.sort_by_key(|form| *form != fastest);
            let seconds = (1..).map(f64::from);
            let row = ConvTimes {
                size: ConvSize {
                    in_channels: 64,
                    out_channels: 64,
                    kernel: [1, 1],
                    stride: [1, 1],
                    out_size: [100, 100],
                },
                forms: forms.into_iter().zip(seconds).collect(),
                winograd: BTreeMap::new(),
            };
            let target = Target {
                arena_limit: 4 << 30,
                subgroups: true,
                table: ConvTable {
                    adapter: "one that was tuned".to_owned(),
                    rows: vec![row],
                },
                ..Target::webgpu()
            };
            let known = target.shaders(&plan(MOBILENET025, [64, 64], &target));
            for picture in pictures {
                for step in plan(MOBILENET025, picture, &target).steps {
                    let shader = step.shader;
                    assert!(known.contains(&shader), "{picture:?}, {fastest}: {shader}");
                }
            }
        }
    }
}

#[test]
fn a_model_has_few_shaders() {
    let architecture = RESNET50_FPN;
    for (name, target) in targets() {
        let shaders = target.shaders(&plan(architecture, [800, 1088], &target));
        println!("{name}: {}", shaders.len());
        assert!(shaders.len() <= MOST_SHADERS, "{name}: {shaders:?}");
    }
}

/// Those that find objects.
fn detectors() -> impl Iterator<Item = Architecture> {
    Architecture::all().filter(|architecture| architecture.selection().is_some())
}

/// Of the heads' maps alone, nothing is computed that they do not take.
#[test]
fn maps_that_are_asked_for_are_all_that_is_computed() {
    for architecture in detectors() {
        let target = Target::webgpu();
        let request = Request::maps([MapKind::Heads]);
        let heads = requested(&request, architecture, [320, 320], &target);
        let whole = plan(architecture, [320, 320], &target);
        let last = heads.steps.iter().map(|step| step.stage).max();
        assert_eq!(last, Some(Stage::Heads), "{architecture}");
        assert!(heads.flop() <= whole.flop(), "{architecture}");
        // The coarsest level of a pyramid may feed no head. NanoDet's classes and boxes are in one map.
        let levels = architecture.anchors().sizes.len();
        let per_level = if nanodet::ARCHITECTURES.contains(&architecture) {
            1
        } else {
            2
        };
        assert!(heads.maps().count() >= per_level * levels, "{architecture}");
        assert_eq!(heads.detections(), None, "{architecture}");
        assert!(whole.detections().is_some(), "{architecture}");
    }
}

/// What is asked for outlives those that read it.
#[test]
fn outputs_are_never_overwritten() {
    for architecture in Architecture::all() {
        let every = [
            MapKind::Input,
            MapKind::Features,
            MapKind::Pyramid,
            MapKind::Heads,
            MapKind::Strength,
            MapKind::Objectness,
        ];
        let request = Request {
            maps: every.into(),
            proposals: true,
            rows: true,
            ..Request::of(architecture)
        };
        let plan = requested(&request, architecture, [320, 320], &Target::webgpu());
        for kind in every {
            let any = plan.maps().any(|(info, _)| info.kind == kind);
            let is_of_heads = [MapKind::Heads, MapKind::Objectness].contains(&kind);
            let has = !is_of_heads || architecture.selection().is_some();
            assert_eq!(any, has, "{architecture}: {kind:?}");
        }
        assert_eq!(
            plan.proposals().is_some(),
            architecture.is_two_stage(),
            "{architecture}"
        );
        let rows = plan.tensors().count();
        assert_eq!(rows == 2, architecture.is_two_stage(), "{architecture}");
        let tensors = plan.tensors().map(|(_, slot)| slot.range);
        let maps = plan.maps().map(|(_, slot)| slot.range);
        let kept: Vec<Range> = maps.chain(tensors).collect();
        for (index, range) in kept.iter().enumerate() {
            let mut others = kept[..index].iter();
            assert!(!others.any(|other| other.overlaps(range)), "{architecture}");
        }
    }
}

#[test]
fn memory_is_near_the_least_possible() {
    for (case, plan) in plans() {
        let overhead = plan.peak() as f64 / plan.lower_bound as f64;
        println!("{case}: {overhead:.3}");
        assert!(overhead <= most_overhead(&case), "{case}: {overhead:.3}");
    }
}

#[test]
fn what_a_step_binds_is_aligned_inside_its_arena_and_apart() {
    for (case, plan) in plans() {
        for step in &plan.steps {
            let name = format!("{case}: {}", step.name);
            let ranges = ranges(&step.bindings);
            for (index, range) in ranges.iter().enumerate() {
                assert_eq!(range.offset % 256, 0, "{name}: {range:?}");
                assert!(range.size > 0 && range.size % 4 == 0, "{name}: {range:?}");
                assert!(
                    range.offset + range.size <= plan.arenas[range.arena],
                    "{name}"
                );
                for other in &ranges[..index] {
                    let apart = range.arena != other.arena
                        || range.offset >= other.offset + other.size
                        || other.offset >= range.offset + range.size;
                    assert!(apart || range == other, "{name}: {range:?} and {other:?}");
                }
            }
        }
    }
}

#[test]
fn dispatches_keep_within_the_limit_of_a_dimension() {
    for (case, plan) in plans() {
        for step in plan.steps {
            assert!(
                step.workgroups
                    .iter()
                    .all(|workgroups| (1..=65_535).contains(workgroups)),
                "{case}: {step:?}"
            );
        }
    }
}

/// Every model has all stages but those that a one-stage detector, a mere pyramid or a lone map lacks; a step that
/// has parameters follows no later stage's.
#[test]
fn the_steps_of_a_plan_are_told_by_stage() {
    for architecture in Architecture::all() {
        let steps = plan(architecture, [320, 320], &Target::webgpu()).steps;
        let has = |stage: Stage| match stage {
            Stage::Proposals | Stage::BoxHead => architecture.is_two_stage(),
            Stage::Heads | Stage::Selection => architecture.selection().is_some(),
            // A single map is no pyramid.
            Stage::Pyramid => architecture.levels().count() > 1,
            Stage::Preprocess | Stage::Backbone => true,
            Stage::Instances => looks_again(architecture),
        };
        for stage in Stage::ALL {
            let any = steps.iter().any(|step| step.stage == stage);
            assert_eq!(any, has(stage), "{architecture}: {stage:?}");
        }
        let has_parameters = |binding: &Binding| matches!(binding, Binding::Constant(_));
        let working = steps
            .iter()
            .filter(|step| step.bindings.iter().any(has_parameters));
        let stages: Vec<Stage> = working.map(|step| step.stage).collect();
        assert!(stages.is_sorted(), "{architecture}: {stages:?}");
    }
}

/// Whether it finds masks or keypoints in detections.
fn looks_again(architecture: Architecture) -> bool {
    let stages = architecture.specification().stages;
    stages.iter().any(|(_, stage)| *stage == Stage::Instances)
}
