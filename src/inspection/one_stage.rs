//! Detectors whose anchors become detections at once.

use super::anchors::LevelAnchors;
use super::calls::Calls;
use super::{CandidateStory, Observed, Origin, Start, Told, selection};
use crate::boxes::Fate;
use crate::ops::Map;
use crate::ops::anchor_decode::{self, AnchorDecodeOptions, DecodeAnchors};
use crate::ops::anchors::{AnchorGrid, AnchorPlace};
use crate::ops::candidates::Candidate;
use crate::ops::dense_decode::{self, DecodeDense, DenseOptions};

/// Its story; none of a detector that goes another way.
pub(super) fn tell(observed: &Observed<'_>, calls: &Calls<'_>) -> Option<Told> {
    let heads = Heads::of(calls)?;
    let decoded = heads.decode(observed.resized());
    let grid = heads.grid();
    // Stable, so that ties stay in order.
    let mut order: Vec<usize> = (0..decoded.len()).collect();
    order.sort_by(|&a, &b| {
        let [(place, own), (others, other)] = [a, b].map(|index| &decoded[index]);
        let by_score = other.score.total_cmp(&own.score);
        place.level.cmp(&others.level).then(by_score)
    });
    let mut starts_of = vec![0; decoded.len()];
    for (start, &index) in order.iter().enumerate() {
        starts_of[index] = start;
    }
    let (places, decoded): (Vec<AnchorPlace>, Vec<Candidate>) = decoded.into_iter().unzip();
    let origin = |index: usize| Origin::Start(starts_of[index]);
    let selected = selection::tell(observed, calls, &decoded, origin)?;

    // A start's fate is its candidate's, told by starts.
    let start_of = |rank: usize| starts_of[selected[rank].0];
    let mut stories: Vec<Option<&CandidateStory>> = vec![None; decoded.len()];
    for (index, story) in &selected {
        stories[*index] = Some(story);
    }
    let place = observed.place();
    let starts = order.iter().map(|&index| {
        let story = stories[index].expect("the final selection is made from all");
        let own = places[index];
        Start {
            level: grid.number(own.level),
            cell: own.cell,
            anchor: own.a,
            anchor_box: place.restored(grid.at(own)),
            bbox: story.bbox,
            score: story.score,
            scores: observed.by_label(heads.scores(own)),
            fate: match story.fate {
                Fate::Suppressed { by, overlap } => Fate::Suppressed {
                    by: start_of(by),
                    overlap,
                },
                fate => fate,
            },
        }
    });
    Some(Told {
        anchors: LevelAnchors::of(grid, &heads.sizes(), observed.frame),
        starts: starts.collect(),
        proposals: Vec::new(),
        candidates: selected.iter().map(|(_, story)| story.clone()).collect(),
        cropping: None,
    })
}

/// What heads say of every anchor.
enum Heads<'a> {
    /// Faces, with landmarks.
    Anchors(AnchorDecodeOptions, Vec<Map<'a>>),
    /// All classes.
    Dense(DenseOptions, Vec<Map<'a>>),
}

impl<'a> Heads<'a> {
    fn of(calls: &Calls<'a>) -> Option<Self> {
        if let Some(call) = calls.of(&DecodeAnchors) {
            let options = AnchorDecodeOptions::from_scalars(&call.scalars);
            return Some(Self::Anchors(options, calls.maps(&call.inputs)?));
        }
        let call = calls.of(&DecodeDense)?;
        let options = DenseOptions::from_scalars(&call.scalars);
        // The frame is behind the maps.
        let maps = calls.maps(&call.inputs[..call.inputs.len() - 1])?;
        Some(Self::Dense(options, maps))
    }

    fn grid(&self) -> &AnchorGrid {
        match self {
            Self::Anchors(options, _) => &options.anchors,
            Self::Dense(options, _) => &options.anchors,
        }
    }

    /// Height and width of each level's maps.
    fn sizes(&self) -> Vec<[usize; 2]> {
        let (Self::Anchors(_, maps) | Self::Dense(_, maps)) = self;
        let levels = maps.iter().take(self.grid().levels.len());
        levels.map(|map| [map.shape[1], map.shape[2]]).collect()
    }

    /// What scores enough, each behind its anchor.
    fn decode(&self, resized: [f32; 2]) -> Vec<(AnchorPlace, Candidate)> {
        match self {
            Self::Anchors(options, maps) => {
                let levels = options.anchors.levels.len();
                let (classes, others) = maps.split_at(levels);
                let (boxes, landmarks) = others.split_at(levels);
                anchor_decode::trace(classes, boxes, landmarks, options)
            }
            Self::Dense(options, maps) => dense_decode::trace(maps, resized, options),
        }
    }

    /// How likely an anchor is of each class, 0 the background; that has 0 where it is not scored.
    fn scores(&self, place: AnchorPlace) -> impl Fn(usize) -> f32 {
        let (first_label, scores) = match self {
            Self::Anchors(_, maps) => (0, anchor_decode::scores_of(maps, place)),
            Self::Dense(options, maps) => (
                options.first_label,
                dense_decode::scores_of(maps, place, options),
            ),
        };
        move |class| match class.checked_sub(first_label) {
            Some(index) => scores[index],
            None => 0.0,
        }
    }
}
