//! What the user sees while weights are fetched.

use std::ops::ControlFlow;

use fpn_wgpu::weights::fetch::{News, WeightsFolder};
use fpn_wgpu::weights::official::Known;
use indicatif::{ProgressBar, ProgressStyle};

/// Lines on standard error, and a bar.
pub struct FetchProgress<'a> {
    known: Known,
    folder: &'a WeightsFolder,
    bar: Option<ProgressBar>,
    waits: bool,
}

impl<'a> FetchProgress<'a> {
    pub fn new(known: Known, folder: &'a WeightsFolder) -> Self {
        Self {
            known,
            folder,
            bar: None,
            waits: false,
        }
    }

    pub fn tell(&mut self, news: News<'_>) -> ControlFlow<()> {
        match news {
            News::Wrong(told) => eprintln!("{told}"),
            News::Waits if self.waits => {}
            News::Waits => {
                self.waits = true;
                eprintln!(
                    "{} is being fetched by another fpn: waiting for it",
                    self.known.file.file_name
                );
            }
            News::Begins(url) => eprintln!(
                "fetching {url} into {}: {}",
                self.folder.path().display(),
                self.known.file.licence
            ),
            News::Came { bytes, of } => self.show(bytes, of),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, bytes: u64, of: Option<u64>) {
        let bar = self.bar.get_or_insert_with(ProgressBar::no_length);
        // Where it is taken up again, its speed is not that of what was here.
        if bar.length() != of || bytes < bar.position() {
            bar.set_style(style(of.is_some()));
            if let Some(of) = of {
                bar.set_length(of);
            }
            bar.set_position(bytes);
            bar.reset_eta();
        }
        bar.set_position(bytes);
    }
}

impl Drop for FetchProgress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(has_length: bool) -> ProgressStyle {
    let template = match has_length {
        true => {
            "{bar:30} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left"
        }
        false => "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}",
    };
    ProgressStyle::with_template(template).expect("the template is sound")
}
