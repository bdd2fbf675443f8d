//! The last seconds: pictures with what was seen in them, to be gone back to.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::Seen;

/// Most memory of the pictures that are kept, in bytes.
const MOST_BYTES: usize = 96 << 20;

/// Most pictures that are kept.
const MOST_PICTURES: usize = 150;

/// What was seen last.
#[derive(Default)]
pub struct History {
    seen: VecDeque<Arc<Seen>>,
    bytes: usize,
}

impl History {
    /// Keep what was seen, and let go of what was seen long ago.
    pub fn push(&mut self, seen: Arc<Seen>) {
        self.bytes += bytes(&seen);
        self.seen.push_back(seen);
        while self.seen.len() > 1 && (self.bytes > MOST_BYTES || self.seen.len() > MOST_PICTURES) {
            if let Some(oldest) = self.seen.pop_front() {
                self.bytes -= bytes(&oldest);
            }
        }
    }

    /// Put what was seen in the place of what was seen in the same picture before; whether there was any.
    pub fn renew(&mut self, seen: &Arc<Seen>) -> bool {
        let Some(at) = self.position(seen) else {
            return false;
        };
        self.bytes = self.bytes - bytes(&self.seen[at]) + bytes(seen);
        self.seen[at] = seen.clone();
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// One of them, the oldest first.
    pub fn get(&self, index: usize) -> Option<&Arc<Seen>> {
        self.seen.get(index)
    }

    /// Which one is of the same picture.
    pub fn position(&self, seen: &Seen) -> Option<usize> {
        let mut all = self.seen.iter();
        all.rposition(|other| other.frame.is_same(&seen.frame))
    }
}

fn bytes(seen: &Seen) -> usize {
    seen.frame.picture.as_raw().len() + seen.views.bytes()
}
