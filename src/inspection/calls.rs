//! The operations of ours that an engine ran, with what it read back of what they read.

use std::collections::BTreeMap;

use burn_ir::{CustomOpIr, OperationIr, TensorId, TensorIr};

use crate::compile::{CapturedModel, GraphOutput};
use crate::ops::{Map, Operation};
use crate::results::{Computed, HostTensor};

/// The calls of a captured graph, and what is known of its tensors.
pub(super) struct Calls<'a> {
    calls: Vec<&'a CustomOpIr>,
    computed: &'a Computed,
    /// By index of the maps that were computed.
    maps: BTreeMap<TensorId, usize>,
    rows: BTreeMap<TensorId, &'a HostTensor>,
}

impl<'a> Calls<'a> {
    pub fn new(captured: &'a CapturedModel, computed: &'a Computed) -> Self {
        let calls = captured.graph.operations.iter();
        let calls = calls.filter_map(|operation| match operation {
            OperationIr::Custom(call) => Some(call),
            _ => None,
        });
        let (mut maps, mut rows) = (BTreeMap::new(), BTreeMap::new());
        for output in &captured.outputs {
            match output {
                GraphOutput::Map(info, tensor) => {
                    let index = computed.maps.iter().position(|map| map.info == *info);
                    maps.extend(index.map(|index| (*tensor, index)));
                }
                GraphOutput::Tensor(name, tensor) => {
                    let known = computed.tensors.iter().find(|(other, _)| other == name);
                    rows.extend(known.map(|(_, values)| (*tensor, values)));
                }
                GraphOutput::Proposals(_)
                | GraphOutput::Detections(_)
                | GraphOutput::Instances(..) => {}
            }
        }
        Self {
            calls: calls.collect(),
            computed,
            maps,
            rows,
        }
    }

    /// The first call of an operation.
    pub fn of(&self, operation: &dyn Operation) -> Option<&'a CustomOpIr> {
        self.reading(operation, None)
    }

    /// The first call of an operation that reads a tensor, if one is named.
    pub fn reading(
        &self,
        operation: &dyn Operation,
        tensor: Option<TensorId>,
    ) -> Option<&'a CustomOpIr> {
        let reads = |call: &CustomOpIr, tensor| call.inputs.iter().any(|input| input.id == tensor);
        let mut calls = self.calls.iter().copied();
        calls.find(|call| {
            call.id == operation.id() && tensor.is_none_or(|tensor| reads(call, tensor))
        })
    }

    /// The indices of maps among those that were computed, if all are.
    pub fn indices(&self, tensors: &[TensorIr]) -> Option<Vec<usize>> {
        let tensors = tensors.iter();
        tensors
            .map(|tensor| self.maps.get(&tensor.id).copied())
            .collect()
    }

    /// Maps, if all were computed.
    pub fn maps(&self, tensors: &[TensorIr]) -> Option<Vec<Map<'a>>> {
        let indices = self.indices(tensors)?.into_iter();
        let maps = indices.map(|index| &self.computed.maps[index]);
        Some(
            maps.map(|map| Map {
                values: &map.values,
                shape: map.shape,
            })
            .collect(),
        )
    }

    /// Rows, if they were computed.
    pub fn rows(&self, tensor: &TensorIr) -> Option<&'a HostTensor> {
        self.rows.get(&tensor.id).copied()
    }
}
