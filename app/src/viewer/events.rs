//! What the engine tells, and what it is asked in turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use eframe::egui::ViewportCommand;
use web_time::Instant;

use super::Viewer;
use crate::engine::{Event, Seen, Views};
use crate::source::Frame;
use crate::state::{Beside, BoxStage, ModelState, PictureTimes};

/// Pictures whose times are kept.
const MOST_TIMES: usize = 600;

impl Viewer {
    pub(super) fn happened(&mut self, event: Event) {
        let state = &mut self.state;
        match event {
            Event::Adapters(adapters) => state.adapters = adapters,
            Event::Fetched(so_far, number) => {
                if let ModelState::Loading { fetched, .. } = &mut state.model
                    && self.engine.is_last(number)
                {
                    *fetched = Some(so_far);
                }
            }
            Event::Loaded(card, number) => {
                if self.engine.is_last(number) {
                    state.model = ModelState::Ready;
                }
                let last = state.card.as_ref();
                // One that was lost, and made anew, goes on as it was.
                if last.is_none_or(|last| last.choice != card.choice) {
                    state.score = card.shown_score();
                    state.nms = card.usual_nms;
                    state.hidden = BTreeSet::new();
                }
                state.stage = BoxStage::Final;
                self.engine.nms_threshold(state.nms);
                state.card = Some(card);
                self.asked_alone = None;
                self.look_again();
            }
            Event::NotLoaded(told, number) => {
                // The choice stays: what it lacks can be added.
                if self.engine.is_last(number) {
                    state.stop_loading();
                }
                state.tell(told, true);
            }
            Event::Failed(told) => state.tell(told, true),
            Event::Seen(seen) => self.saw(Arc::new(seen)),
            Event::Inspected(inspected) => {
                state.inspects = false;
                state.inspected = Some(Arc::new(inspected));
            }
            Event::NotInspected(told) => {
                state.inspects = false;
                state.tell(told, true);
            }
            Event::Alone(frame, maps) => {
                if maps.is_empty() {
                    let told = "This model hands down otherwise: its levels cannot be had without";
                    state.tell(told, true);
                    state.settings.beside = Beside::Nothing;
                }
                state.alone = Some((frame.picture, maps));
            }
        }
    }

    fn saw(&mut self, seen: Arc<Seen>) {
        let state = &mut self.state;
        let player = state.player.as_ref();
        if player.is_none_or(|player| player.id() != seen.frame.source) {
            // Of a source that is no longer looked at.
            return;
        }
        if let Views::Device(_, gpu) = &seen.views
            && !self
                .device
                .as_ref()
                .is_some_and(|own| Arc::ptr_eq(own, gpu))
        {
            // On a device that was lost since.
            return;
        }
        let shown = state.shown.clone();
        let is_same = shown
            .as_ref()
            .is_some_and(|shown| shown.frame.is_same(&seen.frame));
        if state.history.renew(&seen) {
            if !is_same {
                return;
            }
        } else {
            self.record(&seen);
            self.time(&seen);
            let state = &mut self.state;
            if !state.stands_by_picture() {
                state.history.push(seen.clone());
                if !state.plays && !self.awaits {
                    // It was on its way when the picture was to stand still.
                    return;
                }
            }
        }
        self.awaits = false;
        let state = &mut self.state;
        if shown.is_none_or(|shown| shown.detections != seen.detections) {
            (state.selected, state.hovered) = (None, None);
        }
        state.shown = Some(seen);
    }

    fn time(&mut self, seen: &Seen) {
        let times = PictureTimes {
            shown: Instant::now(),
            parts: seen.times.parts.clone(),
            detected: seen.times.detected.as_secs_f32(),
            latency: seen.frame.given.elapsed().as_secs_f32(),
            drawn: self.drawn,
        };
        let state = &mut self.state;
        state.times.push_back(times.clone());
        if state.times.len() > MOST_TIMES {
            state.times.pop_front();
        }
        self.lose_device = self.lose_device.map(|left| left.saturating_sub(1));
        let loaded_in = seen.model.loaded_in;
        let measurement = self.measurement.as_mut();
        if let Some(measured) = measurement.and_then(|all| all.saw(times, loaded_in)) {
            self.measurement = None;
            match serde_json::to_string(&measured) {
                Ok(text) => println!("{text}"),
                Err(error) => state.tell(error.to_string(), true),
            }
            self.context.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    /// Look again at a picture that stands still.
    pub(super) fn look_again(&mut self) {
        if let Some(seen) = &self.state.shown
            && self.state.stands()
        {
            self.engine.again(seen.frame.clone());
            self.asked = None;
        }
    }

    /// Of a picture that stands still, how its detections came to be.
    pub(super) fn find_out(&mut self) {
        let state = &mut self.state;
        if !state.stands() && state.settings.needs_standing() {
            self.play(false);
            return;
        }
        let Some(seen) = state.shown.as_ref().filter(|_| state.stands()) else {
            return;
        };
        let frame = seen.frame.clone();
        let is_asked =
            |asked: &Option<Frame>| asked.as_ref().is_some_and(|asked| asked.is_same(&frame));
        if state.settings.beside == Beside::Alone && !is_asked(&self.asked_alone) {
            self.asked_alone = Some(frame.clone());
            self.engine.alone(frame.clone());
        }
        if !is_asked(&self.asked) {
            self.asked = Some(frame.clone());
            self.state.inspects = true;
            self.engine.inspect(frame);
        }
    }
}
