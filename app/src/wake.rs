//! What other threads wake the window by.

use std::sync::{Arc, Mutex, MutexGuard};

use eframe::egui::Context;

/// Of the window that is open: another may follow it.
#[derive(Clone)]
pub struct Wake(Arc<Mutex<Context>>);

impl Wake {
    /// Of this window.
    pub fn new(context: Context) -> Self {
        Self(Arc::new(Mutex::new(context)))
    }

    /// From now on, of that one.
    pub fn now(&self, context: Context) {
        *self.context() = context;
    }

    /// There is something new to be drawn.
    pub fn wake(&self) {
        let context = self.context().clone();
        context.request_repaint();
    }

    fn context(&self) -> MutexGuard<'_, Context> {
        self.0.lock().expect("no panic holds the lock")
    }
}
