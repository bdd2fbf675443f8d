//! Detectors that make proposals and look at them again.

use super::anchors::LevelAnchors;
use super::calls::Calls;
use super::crops::Cropping;
use super::settle::{Grouped, settle};
use super::{Observed, Origin, ProposalStory, Start, Told, selection};
use crate::boxes::{BBox, Fate};
use crate::ops::candidates::Candidate;
use crate::ops::proposals::{self, ChosenAnchor, ProposalOptions, SelectProposals};
use crate::ops::roi_decode::{self, DecodeRois, RoiDecodeOptions, softmax};

/// Its story; none of a detector that goes another way.
pub(super) fn tell(observed: &Observed<'_>, calls: &Calls<'_>) -> Option<Told> {
    let rules = observed.config.architecture.specification().rules?;
    let call = calls.of(&SelectProposals)?;
    let options = ProposalOptions::from_scalars(&call.scalars);
    let grid = &options.anchors;
    // The frame is behind the maps.
    let maps = calls.maps(&call.inputs[..call.inputs.len() - 1])?;
    let (logits, deltas) = maps.split_at(maps.len() / 2);
    let chosen = proposals::trace(logits, deltas, observed.resized(), &options);
    let number = |anchor: &ChosenAnchor| grid.number(anchor.place.level);
    let known = chosen.iter().map(|anchor| Grouped {
        group: number(anchor) as i32,
        bbox: anchor.bbox,
    });
    let known: Vec<Grouped> = known.collect();
    let given = &observed.computed.proposals;
    let found = given.iter().map(|proposal| Grouped {
        group: proposal.level as i32,
        bbox: proposal.bbox,
    });
    let found: Vec<Grouped> = found.collect();
    let mut fates: Vec<Fate> = chosen.iter().map(|anchor| anchor.fate).collect();
    let origins = settle(&found, &known, &mut fates, f32::INFINITY);

    let place = observed.place();
    let starts = chosen.iter().zip(fates).map(|(anchor, fate)| Start {
        level: number(anchor),
        cell: anchor.place.cell,
        anchor: anchor.place.a,
        anchor_box: place.restored(grid.at(anchor.place)),
        bbox: place.restored(anchor.bbox),
        score: rules.objectness(anchor.logit),
        scores: Vec::new(),
        fate,
    });

    let boxes: Vec<BBox> = given.iter().map(|proposal| proposal.bbox).collect();
    let cropping = Cropping::of(calls, call.outputs[0].id, boxes.clone())?;
    let head = Head::of(observed, calls)?;
    let origins = origins.into_iter().zip(cropping.sources());
    let proposals = given.iter().zip(origins).enumerate();
    let proposals = proposals.map(|(index, (proposal, (origin, source)))| {
        let scores = head.scores(index);
        let class_of = |label| head.options.background.class_of(label, head.classes);
        ProposalStory {
            start: origin.expect("a level gives no more proposals than it has best anchors"),
            bbox: place.restored(proposal.bbox),
            level: proposal.level,
            roi_level: observed.computed.maps[source].info.level,
            scores: observed.by_label(|label| scores[class_of(label)]),
        }
    });
    let proposals = proposals.collect();

    let levels: Vec<i32> = given.iter().map(|proposal| proposal.level as i32).collect();
    let (rois, decoded): (Vec<usize>, Vec<Candidate>) = head
        .decode(&boxes, &levels, observed.resized())
        .into_iter()
        .unzip();
    let origin = |index: usize| Origin::Proposal(rois[index]);
    let candidates = selection::tell(observed, calls, &decoded, origin)?;
    let sizes = logits.iter().map(|map| [map.shape[1], map.shape[2]]);
    Some(Told {
        anchors: LevelAnchors::of(grid, &sizes.collect::<Vec<_>>(), observed.frame),
        starts: starts.collect(),
        proposals,
        candidates: candidates.into_iter().map(|(_, story)| story).collect(),
        cropping: Some(cropping),
    })
}

/// What the box head says of the proposals.
struct Head<'a> {
    options: RoiDecodeOptions,
    /// Of a row of logits.
    classes: usize,
    logits: &'a [f32],
    deltas: &'a [[f32; 4]],
}

impl<'a> Head<'a> {
    fn of(observed: &Observed<'a>, calls: &Calls<'a>) -> Option<Self> {
        let call = calls.of(&DecodeRois)?;
        let (logits, deltas) = (calls.rows(&call.inputs[0])?, calls.rows(&call.inputs[1])?);
        // Where rows are a capacity, those behind the last proposal mean nothing.
        let rois = observed.computed.proposals.len();
        let (classes, width) = (logits.shape[1], deltas.shape[1]);
        Some(Self {
            options: RoiDecodeOptions::from_scalars(&call.scalars),
            classes,
            logits: &logits.values[..rois * classes],
            deltas: deltas.values[..rois * width].as_chunks().0,
        })
    }

    /// How likely a proposal is of each class.
    fn scores(&self, proposal: usize) -> Vec<f32> {
        softmax(&self.logits[proposal * self.classes..][..self.classes])
    }

    /// What scores enough, each behind the proposal that it is of.
    fn decode(&self, boxes: &[BBox], levels: &[i32], resized: [f32; 2]) -> Vec<(usize, Candidate)> {
        roi_decode::trace(
            self.logits,
            self.deltas,
            boxes,
            levels,
            self.classes,
            resized,
            self.options,
        )
    }
}
