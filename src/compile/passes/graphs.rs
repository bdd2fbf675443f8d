//! Small graphs for the tests of passes.

use crate::compile::graph::{
    Conv, ConvKind, FusedEpilogue, Graph, GraphOutput, Node, Norm, Op, Window,
};
use crate::kernels::upsample_add::Upsampling;
use crate::plan::{MapInfo, MapKind, Value, ValueId, ValueKind};

/// A graph of maps, built node by node.
pub struct GraphBuilder(pub Graph);

impl GraphBuilder {
    /// With an image `[1, 3, 8, 8]`, value 0.
    pub fn new() -> Self {
        Self(Graph {
            values: vec![Value::new(vec![1, 3, 8, 8], ValueKind::Floats)],
            inputs: vec![ValueId(0)],
            ..Graph::default()
        })
    }

    pub fn image(&self) -> ValueId {
        self.0.inputs[0]
    }

    pub fn node(&mut self, op: Op, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        let output = self.0.add_value(shape.to_vec(), ValueKind::Floats);
        self.0.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: vec![output],
        });
        output
    }

    pub fn conv(&mut self, name: &str, input: ValueId, channels: usize) -> ValueId {
        let conv = Conv {
            out_channels: channels,
            ..conv(name)
        };
        self.node(Op::Conv(conv), &[input], &[1, channels, 8, 8])
    }

    /// What follows `input` without changing its shape.
    pub fn same(&mut self, op: Op, input: ValueId) -> ValueId {
        let shape = self.0.shape(input).to_vec();
        self.node(op, &[input], &shape)
    }

    pub fn add(&mut self, left: ValueId, right: ValueId) -> ValueId {
        let shape = self.0.shape(left).to_vec();
        self.node(Op::Add(Upsampling::Nearest), &[left, right], &shape)
    }

    /// The graph that gives back `outputs`.
    pub fn giving(mut self, outputs: &[ValueId]) -> Graph {
        let maps = outputs.iter().enumerate().map(|(index, value)| {
            let info = MapInfo {
                name: format!("map {index}"),
                kind: MapKind::Pyramid,
                level: index,
                stride: 1,
            };
            GraphOutput::Map(info, *value)
        });
        self.0.outputs = maps.collect();
        self.0
    }
}

/// A 3×3 convolution of eight channels.
pub fn conv(name: &str) -> Conv {
    Conv {
        weight: name.to_owned(),
        kind: ConvKind::Dense(Window {
            kernel: [3, 3],
            padding: [1, 1],
            padding_after: [1, 1],
            ..Window::POINT
        }),
        out_channels: 8,
        bias: None,
        norm: None,
        epilogue: FusedEpilogue::PLAIN,
        tail: None,
        first_channel: 0,
    }
}

pub fn norm() -> Norm {
    Norm {
        path: "norm".to_owned(),
        eps: 1e-5,
    }
}

pub fn point() -> Window {
    Window::POINT
}

pub fn convs(graph: &Graph) -> Vec<&Conv> {
    let convs = graph.nodes.iter().filter_map(|node| match &node.op {
        Op::Conv(conv) => Some(conv),
        _ => None,
    });
    convs.collect()
}

/// A lateral convolution plus an upsampled coarser map, which is read twice if `shared`.
pub fn top_down(shared: bool) -> (Graph, ValueId) {
    let mut builder = GraphBuilder::new();
    let coarse = builder.node(Op::MaxPool(point()), &[builder.image()], &[1, 8, 4, 4]);
    let lateral = builder.conv("lateral", builder.image(), 8);
    let upsampled = builder.node(Op::Upsample(Upsampling::Nearest), &[coarse], &[1, 8, 8, 8]);
    let sum = builder.add(lateral, upsampled);
    let outputs = if shared {
        vec![sum, upsampled]
    } else {
        vec![sum]
    };
    (builder.giving(&outputs), coarse)
}

/// Convolutions of so many channels, stacked.
pub fn stacked(channels: &[usize]) -> (GraphBuilder, Vec<ValueId>, ValueId) {
    let mut builder = GraphBuilder::new();
    let parts: Vec<ValueId> = channels
        .iter()
        .map(|&channels| builder.conv("part", builder.image(), channels))
        .collect();
    let whole = [1, channels.iter().sum(), 8, 8];
    let whole = builder.node(Op::Concat, &parts, &whole);
    (builder, parts, whole)
}
