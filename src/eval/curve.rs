//! Precision over recall.

/// What a detection counts as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It found an object.
    True,
    /// There is nothing, or something that was found before.
    False,
    /// It is not asked for.
    Ignored,
}

/// The detections down to some score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The part of the objects that are among them.
    pub recall: f64,
    /// The part of them that are objects; at least that of any later point.
    pub precision: f64,
}

/// A point for each detection that counts, best first; `positives` is how many objects there are.
pub fn curve(outcomes: impl IntoIterator<Item = Outcome>, positives: usize) -> Vec<Point> {
    let (mut right, mut wrong) = (0.0, 0.0);
    let mut points = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::True => right += 1.0,
            Outcome::False => wrong += 1.0,
            Outcome::Ignored => continue,
        }
        points.push(Point {
            recall: right / positives as f64,
            precision: right / (right + wrong),
        });
    }
    let mut best = 0.0_f64;
    for point in points.iter_mut().rev() {
        best = best.max(point.precision);
        point.precision = best;
    }
    points
}
