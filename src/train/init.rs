//! First values of a model that is trained from scratch.

use std::convert::Infallible;

use super::options::BatchNorms;
use crate::models::{Model, ModelConfig, parameters};
use crate::weights::Stream;

/// A model with seeded first values on `device`: convolutions and layers as in He et al., 2015
/// (<https://arxiv.org/abs/1502.01852>); the RPN's and the predictor's outputs small, as in Faster
/// R-CNN; batch norms 1 and 0, but for the last of a residual branch, which begins at 0 (Goyal et al.,
/// 2017, <https://arxiv.org/abs/1706.02677>), or, where norms do not learn, so that all branches together add as
/// much as there was.
pub fn initial(
    config: &ModelConfig,
    norms: BatchNorms,
    seed: u64,
    device: &burn::tensor::Device,
) -> Model {
    let model = Model::new(config, device);
    let mut last_norms = [0_usize; 2];
    parameters::for_each(&model, |parameter| {
        let is_of = |norm| usize::from(parameter.path.ends_with(norm));
        last_norms[0] += is_of(".bn2.weight");
        last_norms[1] += is_of(".bn3.weight");
    });
    // Bottlenecks have both.
    let (last_norm, branches) = match last_norms {
        [basic, 0] => (".bn2.", basic),
        [_, bottlenecks] => (".bn3.", bottlenecks),
    };
    let of_last_norm = match norms {
        BatchNorms::Live => 0.0,
        BatchNorms::Frozen => 1.0 / (branches.max(1) as f32).sqrt(),
    };
    let filled = parameters::fill(model, |path, shape| {
        let count: usize = shape.iter().product();
        let constant = |value: f32| Ok::<_, Infallible>(vec![value; count]);
        if path.ends_with(".running_var") {
            return constant(1.0);
        }
        if path.ends_with(".bias") || path.ends_with(".running_mean") {
            return constant(0.0);
        }
        if shape.len() == 1 {
            return constant(if path.contains(last_norm) {
                of_last_norm
            } else {
                1.0
            });
        }
        let fan_in: usize = shape[1..].iter().product();
        let deviation = match path {
            _ if path.contains("predictor.bbox_pred.") => 0.001,
            _ if path.starts_with("rpn.") || path.contains("predictor.") => 0.01,
            _ if path.ends_with("relative_position_bias_table") => 0.02,
            // Laterals and outputs have no activation behind them.
            _ if path.contains(".fpn.") => (1.0 / fan_in as f64).sqrt(),
            _ => (2.0 / fan_in as f64).sqrt(),
        };
        // Uniform of that deviation.
        let stream = Stream::new(seed, path);
        let scale = 3.0_f64.sqrt() * deviation;
        Ok((0..count as u64)
            .map(|index| (scale * stream.symmetric(index)) as f32)
            .collect())
    });
    match filled {
        Ok(model) => model,
        Err(never) => match never {},
    }
}
