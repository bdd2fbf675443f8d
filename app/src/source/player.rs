//! A source on its thread, and the hand that steers it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{Frame, Grip, Pace, Source, SourceError};
use crate::platform::{self, MayMove, Signal};

/// What a source is told, from the window.
#[derive(Debug, Default)]
pub struct Control {
    state: Mutex<State>,
    changed: Signal,
}

#[derive(Debug)]
struct State {
    plays: bool,
    /// Pictures that are given although it does not play.
    steps: usize,
    seek: Option<f64>,
    /// By how many pictures a folder is to go on; back where it is negative.
    turn: i64,
    grip: Grip,
    is_mirrored: bool,
    is_over: bool,
    /// Whether somebody looked for a picture and found none.
    is_wanted: bool,
    slot: Option<Frame>,
    end: Option<Result<(), SourceError>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            plays: true,
            steps: 0,
            seek: None,
            turn: 0,
            grip: Grip::new(),
            is_mirrored: false,
            is_over: false,
            is_wanted: false,
            slot: None,
            end: None,
        }
    }
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic holds the lock")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify();
        changed
    }

    /// The place to go on from, in seconds, if somebody asked for one since.
    pub fn take_seek(&self) -> Option<f64> {
        self.state().seek.take()
    }

    /// By how many pictures to go on, since this was last asked; back where it is negative.
    pub fn take_turn(&self) -> i64 {
        std::mem::take(&mut self.state().turn)
    }

    /// What is held in the scene.
    pub fn grip(&self) -> Grip {
        self.state().grip.clone()
    }

    /// Whether pictures are mirrored.
    pub fn is_mirrored(&self) -> bool {
        self.state().is_mirrored
    }

    /// Whether pictures follow each other.
    pub fn plays(&self) -> bool {
        self.state().plays
    }

    /// Whether the source is no longer wanted, or is wanted elsewhere.
    pub fn is_called(&self) -> bool {
        let state = self.state();
        state.is_over || state.seek.is_some()
    }

    /// Wait for so long, or until somebody wants something else.
    pub async fn wait(&self, duration: Duration) {
        let goes_on = |state: &mut State| !state.is_over && state.seek.is_none() && state.turn == 0;
        let wait = self
            .changed
            .wait_while(&self.state, Some(duration), goes_on);
        wait.await;
    }

    /// Wait until a picture is wanted; whether one will be.
    async fn wait_for_turn(&self, pace: Pace) -> bool {
        let waits = |state: &mut State| {
            let is_asked =
                state.plays || state.steps > 0 || state.seek.is_some() || state.turn != 0;
            let has_room = pace == Pace::Live || (state.is_wanted && state.slot.is_none());
            !(state.is_over || is_asked && has_room)
        };
        self.changed.wait_while(&self.state, None, waits).await;
        !self.state().is_over
    }
}

/// A source at work: the newest picture is there to be taken.
#[derive(Debug)]
pub struct Player {
    control: Arc<Control>,
    id: u64,
    length: Option<f64>,
    count: Option<usize>,
}

/// Players are told apart by these.
static IDS: AtomicU64 = AtomicU64::new(1);

impl Player {
    /// Let a source run; `notify` is called whenever it gave a picture, or stopped.
    pub fn new(mut source: impl Source + 'static, notify: impl Fn() + MayMove + 'static) -> Self {
        let control = Arc::new(Control::default());
        if source.count().is_some() {
            // The first is looked at until another is asked for.
            control.change(|state| (state.plays, state.steps) = (false, 1));
        }
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let player = Self {
            control: control.clone(),
            id,
            length: source.length(),
            count: source.count(),
        };
        platform::spawn("source", async move || {
            while control.wait_for_turn(source.pace()).await {
                let next = source.next(&control).await;
                control.change(|state| match next {
                    Ok(Some(frame)) => {
                        state.steps = state.steps.saturating_sub(1);
                        state.slot = Some(Frame {
                            source: id,
                            ..frame
                        });
                    }
                    Ok(None) => {
                        (state.plays, state.steps) = (false, 0);
                        state.end = Some(Ok(()));
                    }
                    Err(error) => {
                        (state.plays, state.steps) = (false, 0);
                        state.end = Some(Err(error));
                    }
                });
                notify();
            }
        });
        player
    }

    /// The newest picture, if there is one that was not taken yet.
    pub fn take(&self) -> Option<Frame> {
        self.control.change(|state| {
            let frame = state.slot.take();
            state.is_wanted = frame.is_none();
            frame
        })
    }

    /// Whether it came to its end since this was last asked, or failed.
    pub fn take_end(&self) -> Option<Result<(), SourceError>> {
        self.control.change(|state| state.end.take())
    }

    /// What its pictures are told by.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// See [`Source::length`].
    pub fn length(&self) -> Option<f64> {
        self.length
    }

    /// See [`Source::count`].
    pub fn count(&self) -> Option<usize> {
        self.count
    }

    /// Let pictures follow each other, or not.
    pub fn play(&self, plays: bool) {
        self.control.change(|state| state.plays = plays);
    }

    /// One more picture.
    pub fn step(&self) {
        self.control.change(|state| state.steps += 1);
    }

    /// The picture at a time, in seconds.
    pub fn seek(&self, time: f64) {
        self.control.change(|state| state.seek = Some(time));
    }

    /// So many pictures on, or back.
    pub fn turn(&self, by: i64) {
        self.control.change(|state| state.turn += by);
    }

    /// Mirror pictures, of a camera.
    pub fn mirror(&self, mirrors: bool) {
        self.control.change(|state| state.is_mirrored = mirrors);
    }

    /// Give no more pictures.
    pub fn end(&self) {
        self.control.change(|state| state.is_over = true);
    }

    /// Hold shapes of the scene.
    pub fn hold(&self, grip: Grip) {
        self.control.change(|state| state.grip = grip);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.end();
    }
}
