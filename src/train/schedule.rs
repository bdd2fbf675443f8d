//! The learning rate over a training's steps. A function of the step alone, so that a training can be
//! taken up anywhere.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// To a tenth at each of these steps, as in Faster R-CNN's schedules.
    Steps(Vec<usize>),
    /// Along half a cosine to zero at the last step (Loshchilov and Hutter, 2016,
    /// <https://arxiv.org/abs/1608.03983>).
    Cosine,
}

/// Warm-up, then decay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Steps in all.
    pub steps: usize,
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps in which it grows linearly from a thousandth.
    pub warm_up: usize,
    /// How it falls.
    pub decay: Decay,
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        let warmth = match step < self.warm_up {
            true => {
                let share = step as f64 / self.warm_up as f64;
                0.001 * (1.0 - share) + share
            }
            false => 1.0,
        };
        let decay = match &self.decay {
            Decay::Steps(at) => 0.1_f64.powi(at.iter().filter(|&&at| step >= at).count() as i32),
            Decay::Cosine => 0.5 * (1.0 + (PI * step as f64 / self.steps as f64).cos()),
        };
        self.learning_rate * warmth * decay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warms_up_and_falls() {
        let schedule = Schedule {
            steps: 100,
            learning_rate: 0.02,
            warm_up: 10,
            decay: Decay::Steps(vec![60, 90]),
        };
        let expected = [
            (0, 0.00002),
            (5, 0.01001),
            (10, 0.02),
            (59, 0.02),
            (60, 0.002),
            (99, 0.0002),
        ];
        for (step, rate) in expected {
            assert!((schedule.at(step) - rate).abs() < 1e-12, "{step}");
        }
        let cosine = Schedule {
            decay: Decay::Cosine,
            ..schedule
        };
        assert!((cosine.at(50) - 0.01).abs() < 1e-12);
        assert!(cosine.at(99) < 1e-5);
    }
}
