//! The plans of every model at several sizes.

use std::collections::HashSet;

use fpn_wgpu::compile::{Target, compile};
use fpn_wgpu::models::{Architecture, ModelConfig, Stage};
use fpn_wgpu::plan::{Binding, MapSlot, Plan, Range, Step};

/// Heights and widths of pictures.
const PICTURES: [[usize; 2]; 4] = [[64, 64], [320, 320], [480, 640], [1333, 801]];

/// How much more memory than the least possible a plan may take.
const MEMORY_OVERHEAD: f64 = 1.25;

fn plan(architecture: Architecture, picture: [usize; 2]) -> Plan {
    let transform = architecture.transform();
    let padded = transform.frame(picture).padded;
    let config = ModelConfig::of(architecture);
    compile(
        &config,
        &transform,
        architecture.selection(),
        padded,
        &Target::webgpu(),
    )
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
    for architecture in Architecture::ALL {
        let plans = PICTURES.map(|picture| plan(architecture, picture));
        let [first, others @ ..] = plans.map(|plan| {
            let constants = plan
                .constants
                .iter()
                .map(|constant| format!("{constant:?}"));
            let distinct: HashSet<String> = constants.collect();
            assert_eq!(
                distinct.len(),
                plan.constants.len(),
                "{architecture}: one twice"
            );
            distinct
        });
        for other in others {
            assert_eq!(other, first, "{architecture}");
        }
    }
}

#[test]
fn the_trunk_makes_the_heads_maps_and_what_follows_only_reads_them() {
    for architecture in Architecture::ALL {
        let plan = plan(architecture, [320, 320]);
        let (trunk, rest) = plan.steps.split_at(plan.trunk);
        for head in &plan.heads {
            let touches = |step: &&Step| ranges(&step.bindings).contains(&head.range);
            assert!(trunk.iter().any(|step| touches(&step)), "{architecture}");
            assert!(rest.iter().any(|step| touches(&step)), "{architecture}");
        }
        let last = trunk.last().expect("a trunk has steps");
        let last = &last.output;
        let is_head = |head: &&MapSlot| head.shape == last[1..];
        assert!(
            plan.heads.iter().any(|head| is_head(&head)),
            "{architecture}"
        );
        assert!(
            rest.iter()
                .all(|step| step.flop == 0 || step.name.contains("box_"))
        );
    }
}

#[test]
fn memory_is_near_the_least_possible() {
    for architecture in Architecture::ALL {
        for picture in PICTURES {
            let plan = plan(architecture, picture);
            let overhead = plan.peak() as f64 / plan.lower_bound as f64;
            println!("{architecture} at {picture:?}: {overhead:.3}");
            assert!(
                overhead <= MEMORY_OVERHEAD,
                "{architecture} at {picture:?}: {overhead:.3}"
            );
        }
    }
}

#[test]
fn what_a_step_binds_is_aligned_inside_its_arena_and_apart() {
    for architecture in Architecture::ALL {
        for picture in PICTURES {
            let plan = plan(architecture, picture);
            for step in &plan.steps {
                let ranges = ranges(&step.bindings);
                for (index, range) in ranges.iter().enumerate() {
                    let name = &step.name;
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
}

#[test]
fn dispatches_keep_within_the_limit_of_a_dimension() {
    for architecture in Architecture::ALL {
        for step in plan(architecture, [1333, 801]).steps {
            assert!(
                step.groups
                    .iter()
                    .all(|groups| (1..=65_535).contains(groups)),
                "{step:?}"
            );
        }
    }
}

/// Every model has all stages but those that a one-stage detector lacks; a step that has parameters
/// follows no later stage's.
#[test]
fn the_steps_of_a_plan_are_told_by_stage() {
    for architecture in Architecture::ALL {
        let steps = plan(architecture, [320, 320]).steps;
        let lacks = |stage: Stage| {
            architecture.depth().is_none() && matches!(stage, Stage::Proposals | Stage::BoxHead)
        };
        for stage in Stage::ALL {
            let any = steps.iter().any(|step| step.stage == stage);
            assert_eq!(any, !lacks(stage), "{architecture}: {stage:?}");
        }
        let working = steps.iter().filter(|step| step.flop > 0);
        let stages: Vec<Stage> = working.map(|step| step.stage).collect();
        assert!(stages.is_sorted(), "{architecture}: {stages:?}");
    }
}
