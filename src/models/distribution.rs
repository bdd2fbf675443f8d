//! Where the values of seeded weights lie: such that activations keep their size, and that scores and
//! boxes of different places differ.

/// A parameter's values: evenly spread around a centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distribution {
    /// The middle.
    pub centre: f64,
    /// How far values may be from it.
    pub half_width: f64,
    /// The index of a value whose middle is another, and that.
    pub apart: Option<(usize, f64)>,
}

impl Distribution {
    /// All values around one centre.
    pub const fn around(centre: f64, half_width: f64) -> Self {
        Self {
            centre,
            half_width,
            apart: None,
        }
    }

    /// What suits most parameters of any network, by key and shape. `gains` are standard deviations
    /// of layers' weights, relative to what keeps the deviation of a layer's input: the first counts
    /// whose text is part of the key. Other layers are taken to have a ReLU behind them, which √2
    /// makes up for.
    pub fn usual(key: &str, shape: &[usize], gains: &[(&str, f64)]) -> Self {
        if key.ends_with("running_mean") || key.ends_with(".bias") {
            Self::around(0.0, 0.1)
        } else if key.ends_with("running_var") {
            Self::around(1.0, 0.5)
        } else if shape.len() == 1 {
            // The scale of a batch norm.
            Self::around(1.0, 0.1)
        } else {
            let fan_in = shape[1..].iter().product::<usize>() as f64;
            let gain = gains.iter().find(|(part, _)| key.contains(part));
            let gain = gain.map_or(2.0_f64.sqrt(), |(_, gain)| *gain);
            Self::around(0.0, gain * (3.0 / fan_in).sqrt())
        }
    }
}
