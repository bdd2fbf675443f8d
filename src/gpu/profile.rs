//! Where the time of a frame goes.

use crate::plan::Plan;

/// What a model's steps take for pictures of one size; see [`GpuEngine::profile`](super::GpuEngine::profile).
#[derive(Clone, Debug)]
pub struct Profile {
    /// The steps.
    pub plan: Plan,
    /// Bytes of all constants on the device.
    pub constant_bytes: usize,
    /// Bytes that each step's bindings hold.
    pub step_bytes: Vec<usize>,
    /// Seconds that each step takes, by the device's clock; `None` where it shows none.
    pub step_seconds: Option<Vec<f64>>,
}

/// The median of each column. An even number of rows has the mean of the two in the middle.
///
/// # Panics
/// If there is no row.
pub(super) fn medians(rows: &[Vec<f64>]) -> Vec<f64> {
    let median = |column: usize| {
        let mut values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        (values[last / 2] + values[last.div_ceil(2)]) / 2.0
    };
    (0..rows[0].len()).map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        let rows = [[3.0, 1.0], [1.0, 1.0], [100.0, 7.0]].map(Vec::from);
        assert_eq!(medians(&rows), [3.0, 1.0]);
        assert_eq!(medians(&rows[..2]), [2.0, 1.0]);
    }
}
