//! The steps of what slides a window over maps without weights, or brings them to another size.

use crate::compile::graph::{Node, Window};
use crate::kernels::pool::{self, Pooling};
use crate::kernels::upsample_add::Upsampling;
use crate::kernels::{blocks, upsample, words};
use crate::plan::{Draft, PlanBuilder};

/// A step for a pool; in an average, so many cells around the map count.
pub(super) fn pool(
    pooling: Pooling,
    window: Window,
    counted: [usize; 2],
    node: &Node,
    plan: &mut PlanBuilder<'_>,
) {
    let (input, output) = (node.inputs[0], node.outputs[0]);
    let [channels, height, width] = plan.map(output);
    let params = pool::Params {
        in_size: words(plan.size_of(input)),
        out_size: words([height, width]),
        blocks: blocks(channels) as u32,
        items: plan.items(output) as u32,
        kernel: words(window.kernel),
        stride: words(window.stride),
        dilation: words(window.dilation),
        padding: words(window.padding),
        counted: words(counted),
    };
    let dispatch = params.dispatch(pooling, plan.dtypes(input, output));
    let operands = plan.operands([input, output]);
    let name = &*pool::kernel(pooling).name;
    plan.push(Draft::making(name, dispatch, operands, output));
}

/// A step that brings maps to another size.
pub(super) fn upsample(
    upsampling: Upsampling,
    aligned: bool,
    node: &Node,
    plan: &mut PlanBuilder<'_>,
) {
    let (input, output) = (node.inputs[0], node.outputs[0]);
    let [channels, height, width] = plan.map(output);
    let counts = [plan.items(output), channels];
    let params = upsample::Params::new(plan.size_of(input), [height, width], counts);
    let params = if aligned { params.aligned() } else { params };
    let dispatch = params.dispatch(upsampling, plan.dtypes(input, output));
    let operands = plan.operands([input, output]);
    plan.push(Draft::making("upsample", dispatch, operands, output));
}
