//! Ctrl-C, where what is done must not be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Becomes true at the first Ctrl-C, which is answered: the work goes on to the end of this `part`. A
/// second one ends the program.
pub fn on_ctrl_c(part: &'static str) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("stopping after this {part}; once more to stop at once");
    })
    .context("Ctrl-C cannot be listened to")?;
    Ok(stop)
}
