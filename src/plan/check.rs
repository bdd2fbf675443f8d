//! Whether a plan's steps read only what earlier ones wrote, and bind no memory twice.

use super::{Binding, Plan, Range, Step, Value, ValueId};
use crate::kernels::{Dtype, Role};

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

/// Memory that holds what was last written there, and what that is stored in.
struct Written(Vec<(Range, Dtype)>);

impl Written {
    fn write(&mut self, range: Range, dtype: Dtype) {
        self.0.retain(|(other, _)| !other.overlaps(&range));
        self.0.push((range, dtype));
    }

    fn dtype(&self, range: Range) -> Option<Dtype> {
        let mut written = self.0.iter();
        let found = written.find(|(other, _)| *other == range);
        found.map(|(_, dtype)| *dtype)
    }
}

/// Whether a binding is where a role's values lie.
fn suits(binding: &Binding, role: Role) -> bool {
    match role {
        Role::Frame => matches!(binding, Binding::Frame),
        Role::Picture => matches!(binding, Binding::Picture),
        Role::Weights | Role::Bias => matches!(binding, Binding::Constant(_)),
        Role::MapIn | Role::FloatsIn => {
            matches!(binding, Binding::Arena(_) | Binding::Constant(_))
        }
        Role::Results => matches!(binding, Binding::Results),
        _ => matches!(binding, Binding::Arena(_)),
    }
}

/// # Errors
/// If a step binds more or less than its kernel, or something else, the same memory twice, or reads
/// memory that no earlier step wrote, that another has written since, or that holds another dtype.
pub(super) fn check(plan: &Plan) -> Result<(), PlanError> {
    let mut written = Written(
        plan.inputs
            .iter()
            .map(|slot| (slot.range, slot.dtype))
            .collect(),
    );
    for step in &plan.steps {
        let roles = &step.shader.kernel.roles;
        if roles.len() != step.bindings.len() {
            return Err(PlanError::of(step, "binds more or less than its kernel"));
        }
        if !step.shader.kernel.dtypes.contains(&step.shader.dtypes) {
            return Err(PlanError::of(step, "has dtypes that its kernel is not for"));
        }
        let mut bound = step.bindings.iter().zip(roles.iter());
        if bound.any(|(binding, role)| !suits(binding, *role)) {
            return Err(PlanError::of(step, "binds something else than its kernel"));
        }
        let is_other = |(binding, role): (&Binding, &Role)| match binding {
            Binding::Constant(index) => {
                plan.constants[*index].dtype() != role.dtype(step.shader.dtypes)
            }
            _ => false,
        };
        if step.bindings.iter().zip(roles.iter()).any(is_other) {
            return Err(PlanError::of(step, "reads a constant of another dtype"));
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
            if !role.is_read() {
                continue;
            }
            let problem = match written.dtype(*range) {
                None => "reads what no earlier step wrote",
                Some(dtype) if dtype != role.dtype(step.shader.dtypes) => {
                    "reads what is stored in another dtype"
                }
                Some(_) => continue,
            };
            return Err(PlanError::of(step, problem));
        }
        for (range, role) in ranges {
            if role.is_written() {
                written.write(range, role.dtype(step.shader.dtypes));
            }
        }
    }
    let is_there = |range: &Range| written.dtype(*range).is_some();
    let maps = plan.maps().map(|(_, slot)| slot.range);
    let maps = maps.chain(plan.tensors().map(|(_, slot)| slot.range));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::kernels::Dtypes;
    use crate::kernels::pool::{self, Pooling};
    use crate::plan::{Draft, PlanBuilder, ValueKind};

    /// Two poolings, one after the other, in these dtypes.
    fn pooled(first: Dtype, second: Dtype) -> Result<Plan, PlanError> {
        let values = [8, 4, 2].map(|side| Value::new(vec![1, 4, side, side], ValueKind::Floats));
        let ids = [0, 1, 2].map(ValueId);
        let sources = BTreeMap::new();
        let mut plan = PlanBuilder::new(&values, &sources, vec![first, first, second]);
        plan.input(ids[0]);
        for (pair, dtype) in ids.windows(2).zip([first, second]) {
            let dtypes = Dtypes::stored(dtype, dtype);
            let dispatch = pool::Params::default().dispatch(Pooling::Maximum, dtypes);
            let operands = plan.operands([pair[0], pair[1]]);
            plan.push(Draft::making("pool", dispatch, operands, pair[1]));
        }
        plan.finish([8, 8], 1 << 20)
    }

    #[test]
    fn a_map_is_read_in_the_dtype_that_it_was_written_in() {
        for dtype in [Dtype::F32, Dtype::F16] {
            assert!(pooled(dtype, dtype).is_ok());
        }
        for (first, second) in [(Dtype::F32, Dtype::F16), (Dtype::F16, Dtype::F32)] {
            let error = pooled(first, second).expect_err("it would read nonsense");
            let expected = "step pool (max_pool";
            let error = error.to_string();
            assert!(
                error.starts_with(expected) && error.contains("another dtype"),
                "{error}"
            );
        }
    }
}
