//! The final selection: which candidates became detections.

use super::calls::Calls;
use super::settle::{Grouped, settle};
use super::{CandidateStory, Observed, Origin};
use crate::boxes::{Fate, Reason};
use crate::ops::candidates::Candidate;
use crate::ops::select::{self, SelectDetections, SelectOptions, SelectRois};

/// Pixels by which a box that the host does not keep, or keeps elsewhere, may be off to be the engine's all the same.
const REACH: f32 = 1.0;

/// The stories of candidates, in the order of their decoding, best first; before each is its index in that order.
/// `origin` tells what the one of an index was decoded from.
pub(super) fn tell(
    observed: &Observed<'_>,
    calls: &Calls<'_>,
    decoded: &[Candidate],
    origin: impl Fn(usize) -> Origin,
) -> Option<Vec<(usize, CandidateStory)>> {
    let call = calls.of(&SelectDetections).or(calls.of(&SelectRois))?;
    let options = SelectOptions::from_scalars(&call.scalars);
    let place = observed.place();
    let traced = select::trace(decoded, place, options);
    let (order, mut fates): (Vec<usize>, Vec<Fate>) = traced.into_iter().unzip();
    let known = order.iter().map(|&index| Grouped {
        group: decoded[index].label,
        bbox: place.restored(decoded[index].bbox),
    });
    let found = observed.computed.detections.iter().map(|found| Grouped {
        group: found.label,
        bbox: found.bbox,
    });
    let (found, known): (Vec<_>, Vec<_>) = (found.collect(), known.collect());
    settle(&found, &known, &mut fates, REACH);
    let stories = order.into_iter().zip(fates).map(|(index, fate)| {
        let candidate = &decoded[index];
        let story = CandidateStory {
            origin: origin(index),
            label: observed.class_names.label(candidate.label as usize),
            score: candidate.score,
            bbox: observed.restored(candidate.bbox),
            fate: match fate {
                // What the detector does not report has no area.
                Fate::Kept(found) => match observed.reported[found] {
                    Some(detection) => Fate::Kept(detection),
                    None => Fate::Dropped(Reason::TooSmall),
                },
                fate => fate,
            },
        };
        (index, story)
    });
    Some(stories.collect())
}
