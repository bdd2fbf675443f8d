//! The program: a window, and another where its device is lost.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use eframe::egui::{Context, Ui, ViewportBuilder, vec2};
use eframe::egui_wgpu::WgpuConfiguration;
use eframe::{App, CreationContext, Frame, NativeOptions, Storage};

use crate::viewer::{Start, Viewer};
use crate::window;

/// A device that is lost sooner than this is no good.
const LEAST: Duration = Duration::from_secs(5);

/// So many of them in a row, and no window is opened any more.
const MOST_LOST: usize = 3;

/// Until the user closes the window. Where the device that draws it is lost, as by a driver's reset, it is opened again
/// on another, and goes on where it was.
///
/// # Errors
/// If no window can be opened, or its device is lost again and again.
pub fn run(start: Start) -> eframe::Result {
    let viewer = Rc::new(RefCell::new(None));
    let mut in_a_row = 0;
    loop {
        let opened = Instant::now();
        let (start, kept) = (start.clone(), viewer.clone());
        let creator = move |creation: &CreationContext<'_>| -> Result<Box<dyn App>, _> {
            let mut viewer = kept.borrow_mut();
            match &mut *viewer {
                None => *viewer = Some(Viewer::new(creation, start)),
                Some(viewer) => viewer.reopened(creation),
            }
            drop(viewer);
            Ok(Box::new(Window(kept)))
        };
        let open = || eframe::run_native("fpn-viewer", options(), Box::new(creator));
        let ended = catch_unwind(AssertUnwindSafe(open));
        let viewer = viewer.borrow();
        let is = |lost: fn(&Viewer) -> bool| viewer.as_ref().is_some_and(lost);
        match ended {
            // What draws panics where a device is lost within a frame, and its event loop cannot be run again.
            Err(_) if is(Viewer::is_losing) && opened.elapsed() >= LEAST => begin_anew(),
            Err(panicked) => resume_unwind(panicked),
            Ok(_) if is(Viewer::is_lost) => {}
            Ok(ended) => return ended,
        }
        in_a_row = match opened.elapsed() < LEAST {
            true => in_a_row + 1,
            false => 0,
        };
        if in_a_row == MOST_LOST {
            let told = "the device that draws it is lost again and again";
            return Err(eframe::Error::AppCreation(told.into()));
        }
    }
}

/// Run the program once more, with what it was given, and end as it does.
fn begin_anew() -> ! {
    let again = || {
        let program = std::env::current_exe()?;
        let arguments = std::env::args_os().skip(1);
        Command::new(program).args(arguments).status()
    };
    let code = again().ok().and_then(|status| status.code());
    std::process::exit(code.unwrap_or(1));
}

fn options() -> NativeOptions {
    NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("fpn viewer")
            .with_inner_size(vec2(1280.0, 720.0))
            .with_min_inner_size(vec2(360.0, 420.0)),
        wgpu_options: WgpuConfiguration {
            wgpu_setup: window::setup(),
            ..WgpuConfiguration::default()
        },
        ..NativeOptions::default()
    }
}

/// A window's hold on the viewer, which outlives it.
struct Window(Rc<RefCell<Option<Viewer>>>);

impl Window {
    fn viewer(&self, act: impl FnOnce(&mut Viewer)) {
        if let Some(viewer) = &mut *self.0.borrow_mut() {
            act(viewer);
        }
    }
}

impl App for Window {
    fn logic(&mut self, context: &Context, frame: &mut Frame) {
        self.viewer(|viewer| viewer.logic(context, frame));
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut Frame) {
        self.viewer(|viewer| viewer.ui(ui, frame));
    }

    fn save(&mut self, storage: &mut dyn Storage) {
        self.viewer(|viewer| viewer.save(storage));
    }

    fn on_exit(&mut self) {
        self.viewer(Viewer::on_exit);
    }
}
