//! Whether a plan's steps read only what earlier ones wrote, and bind no memory twice.

use super::{Binding, Plan, Range, Step, Value, ValueId};

/// A plan that would compute something else than its graph.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

impl PlanError {
    /// An output that no step makes.
    pub(super) fn output(value: ValueId, values: &[Value]) -> Self {
        let shape = &values[value.0].shape;
        Self(format!("no step makes the output of shape {shape:?}"))
    }

    fn of(step: &Step, problem: &str) -> Self {
        let (name, shader) = (&step.name, &step.shader);
        Self(format!("step {name} ({shader}) {problem}"))
    }
}

/// Memory that holds what was last written there.
struct Written(Vec<Range>);

impl Written {
    fn write(&mut self, range: Range) {
        self.0.retain(|other| !other.overlaps(&range));
        self.0.push(range);
    }

    fn holds(&self, range: Range) -> bool {
        self.0.contains(&range)
    }
}

/// # Errors
/// If a step binds more or less than its kernel, the same memory twice, or reads memory that no earlier
/// step wrote, or that another has written since.
pub(super) fn check(plan: &Plan) -> Result<(), PlanError> {
    let mut written = Written(plan.inputs.iter().map(|slot| slot.range).collect());
    for step in &plan.steps {
        let roles = &step.shader.kernel.roles;
        if roles.len() != step.bindings.len() {
            return Err(PlanError::of(step, "binds more or less than its kernel"));
        }
        if !step.shader.kernel.dtypes.contains(&step.shader.dtypes) {
            return Err(PlanError::of(step, "has dtypes that its kernel is not for"));
        }
        let ranges: Vec<(Range, _)> = step
            .bindings
            .iter()
            .zip(roles.iter())
            .filter_map(|(binding, role)| match binding {
                Binding::Arena(range) => Some((*range, role)),
                _ => None,
            })
            .collect();
        for (index, (range, role)) in ranges.iter().enumerate() {
            if ranges[..index]
                .iter()
                .any(|(other, _)| other.overlaps(range))
            {
                return Err(PlanError::of(step, "binds the same memory twice"));
            }
            if role.is_read() && !written.holds(*range) {
                return Err(PlanError::of(step, "reads what no earlier step wrote"));
            }
        }
        for (range, role) in ranges {
            if role.is_written() {
                written.write(range);
            }
        }
    }
    let is_there = |range: &Range| written.holds(*range);
    let maps = plan.maps().map(|(_, slot)| slot.range);
    let proposals = plan.proposals();
    let proposals = proposals
        .iter()
        .flat_map(|slot| [slot.boxes, slot.levels, slot.count]);
    match maps.chain(proposals).all(|range| is_there(&range)) {
        true => Ok(()),
        false => Err(PlanError(
            "an output is overwritten before the plan ends".to_owned(),
        )),
    }
}
