//! A summary by PyTorch's modules, as torchsummary lists them.

use super::{Layer, Summary};

/// A call of a PyTorch module.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleCall {
    /// Its class.
    pub class: &'static str,
    /// Shape of what it makes.
    pub output: Vec<usize>,
    /// Parameters not counted before.
    pub parameters: usize,
}

impl Summary {
    /// The calls of modules in the order of execution. As torchsummary has it, functions (sums, upsampling,
    /// reshapes) are none, and neither are containers but a residual block, which is called when its last
    /// activation is done and counts no parameters.
    pub fn modules(&self) -> Vec<ModuleCall> {
        let mut calls: Vec<ModuleCall> = Vec::new();
        let mut block = None;
        let mut is_summed = false;
        let mut path = "";
        for layer in &self.layers {
            if let Some(begun) = block_of(&layer.path) {
                (block, is_summed) = (Some(begun), false);
            }
            let class = class(layer);
            match (class, calls.last_mut()) {
                (Some(class), _) => calls.push(ModuleCall {
                    class,
                    output: layer.output.clone(),
                    parameters: layer.parameters,
                }),
                // The bias of a matrix product is an operation of its own.
                (None, Some(call)) if layer.path == path => call.parameters += layer.parameters,
                (None, _) => {}
            }
            path = &layer.path;
            is_summed |= layer.operation == "Add";
            if let (true, Some("ReLU"), Some(done)) = (is_summed, class, block) {
                calls.push(ModuleCall {
                    class: self.block_class(done),
                    output: layer.output.clone(),
                    parameters: 0,
                });
                block = None;
            }
        }
        calls
    }

    /// torchvision's name of a block's class.
    fn block_class(&self, block: &str) -> &'static str {
        let third = format!("{block}.conv3");
        match self.layers.iter().any(|layer| layer.path == third) {
            true => "Bottleneck",
            false => "BasicBlock",
        }
    }
}

/// The residual block that begins with the convolution at a path: one of a numbered row.
fn block_of(path: &str) -> Option<&str> {
    let block = path.strip_suffix(".conv1")?;
    let (_, number) = block.rsplit_once('.')?;
    number.parse::<usize>().is_ok().then_some(block)
}

/// The class of the module that does what a layer does; none where it is no module's.
fn class(layer: &Layer) -> Option<&'static str> {
    const CLASSES: [&str; 7] = [
        "Conv2d",
        "BatchNorm2d",
        "MaxPool2d",
        "AvgPool2d",
        "AdaptiveAvgPool2d",
        "ReLU",
        "LeakyReLU",
    ];
    match layer.operation.as_str() {
        "MatMul" if !layer.path.is_empty() => Some("Linear"),
        operation => CLASSES.into_iter().find(|class| *class == operation),
    }
}
