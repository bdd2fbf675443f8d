//! Pictures on their way through a detector: decoded ahead on other threads, two at a time on a GPU,
//! in the order they came. Only those on their way are in memory.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use fpn_wgpu::{Detections, Detector, FeatureMap, Pending};
use image::{DynamicImage, RgbaImage};

use super::detector::failure;

/// Most threads that decode: each holds a picture.
const MAX_THREADS: usize = 4;

/// Pictures on their way in a GPU: while one is computed, the next is sent.
const IN_FLIGHT: usize = 2;

/// How soon Ctrl-C is noticed while no picture comes.
const PATIENCE: Duration = Duration::from_millis(50);

/// A picture, and what it was made of.
pub struct Decoded<T> {
    /// To tell of errors.
    pub name: String,
    pub picture: RgbaImage,
    pub of: T,
}

/// A picture with what was found in it.
pub struct Looked<T> {
    pub picture: DynamicImage,
    pub of: T,
    pub found: Detections,
    /// The pyramid's, where they were asked for.
    pub levels: Vec<FeatureMap>,
}

/// Pictures that are decoded ahead of their reader, by threads that each work for one lane.
pub struct Ahead<T> {
    lanes: Vec<Lane<T>>,
    turn: usize,
}

struct Lane<T> {
    decoded: Receiver<Result<Decoded<T>>>,
    thread: Option<JoinHandle<()>>,
}

enum Next<T> {
    Picture(Result<Decoded<T>>),
    NotYet,
    End,
}

impl<T: Send + 'static> Ahead<T> {
    /// What can only be decoded one after the other.
    pub fn of_sequence(
        sequence: impl Iterator<Item = Result<Decoded<T>>> + Send + 'static,
    ) -> Self {
        Self {
            lanes: vec![Lane::start(sequence)],
            turn: 0,
        }
    }

    /// One picture of each item, in their order.
    pub fn of_each<I: Send + Sync + 'static>(
        items: Vec<I>,
        decode: impl Fn(&I) -> Result<Decoded<T>> + Copy + Send + 'static,
    ) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(MAX_THREADS).min(items.len());
        let items: Arc<[I]> = items.into();
        let lane = |first| {
            let items = items.clone();
            let indices = (first..items.len()).step_by(threads);
            Lane::start(indices.map(move |index| decode(&items[index])))
        };
        Self {
            lanes: (0..threads).map(lane).collect(),
            turn: 0,
        }
    }

    fn next(&mut self, patience: Duration) -> Next<T> {
        let Some(lane) = self.lanes.get_mut(self.turn) else {
            return Next::End;
        };
        match lane.decoded.recv_timeout(patience) {
            Ok(decoded) => {
                self.turn = (self.turn + 1) % self.lanes.len();
                Next::Picture(decoded)
            }
            Err(RecvTimeoutError::Timeout) => Next::NotYet,
            Err(RecvTimeoutError::Disconnected) => {
                if let Some(Err(panic)) = lane.thread.take().map(JoinHandle::join) {
                    resume_unwind(panic);
                }
                Next::End
            }
        }
    }
}

impl<T: Send + 'static> Lane<T> {
    fn start(sequence: impl Iterator<Item = Result<Decoded<T>>> + Send + 'static) -> Self {
        // A thread waits with its picture until that is taken.
        let (sender, decoded) = sync_channel(0);
        let thread = thread::spawn(move || {
            for decoded in sequence {
                if sender.send(decoded).is_err() {
                    return;
                }
            }
        });
        Self {
            decoded,
            thread: Some(thread),
        }
    }
}

/// Look at pictures until there are no more, `stop` is set, or `take`, which gets them in order, says
/// no. One that could not be decoded or computed is an error, and does not end the work.
pub fn look<T: Send + 'static>(
    detector: &Detector,
    with_levels: bool,
    mut pictures: Ahead<T>,
    stop: &AtomicBool,
    mut take: impl FnMut(Result<Looked<T>>) -> bool,
) {
    let places = match detector.gpu_engine() {
        Some(_) if !with_levels => IN_FLIGHT,
        _ => 1,
    };
    let mut underway = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        // What is underway is not kept waiting for a camera's next picture.
        let patience = match underway.is_empty() {
            true => PATIENCE,
            false => Duration::ZERO,
        };
        match pictures.next(patience) {
            Next::Picture(decoded) => {
                let begin = |decoded| Underway::begin(detector, with_levels, decoded);
                underway.push_back(decoded.and_then(begin));
                if underway.len() < places {
                    continue;
                }
            }
            Next::End if underway.is_empty() => return,
            Next::NotYet | Next::End => {}
        }
        let Some(first) = underway.pop_front() else {
            continue;
        };
        if !take(first.and_then(Underway::finish)) {
            return;
        }
    }
}

struct Underway<'a, T> {
    decoded: Decoded<T>,
    work: Work<'a>,
}

enum Work<'a> {
    Started(Pending<'a>),
    Done(Detections, Vec<FeatureMap>),
}

impl<'a, T> Underway<'a, T> {
    fn begin(detector: &'a Detector, with_levels: bool, decoded: Decoded<T>) -> Result<Self> {
        let work = match with_levels {
            false => detector.start(&decoded.picture).map(Work::Started),
            true => {
                let picture = DynamicImage::from(decoded.picture.clone());
                let done = detector.detect_with_maps(&picture);
                done.map(|(found, levels)| Work::Done(found, levels))
            }
        };
        match work {
            Ok(work) => Ok(Self { decoded, work }),
            Err(error) => Err(failure(decoded.name, error)),
        }
    }

    fn finish(self) -> Result<Looked<T>> {
        let Decoded { name, picture, of } = self.decoded;
        let (found, levels) = match self.work {
            Work::Started(pending) => {
                let found = pending.wait();
                (found.map_err(|error| failure(name, error))?, Vec::new())
            }
            Work::Done(found, levels) => (found, levels),
        };
        Ok(Looked {
            picture: picture.into(),
            of,
            found,
            levels,
        })
    }
}
