//! Videos from files, played by the clock.

use std::sync::Arc;
use std::time::Duration;

use fpn_wgpu::video::{Video, VideoError, VideoFrame};
use web_time::Instant;

use super::{Control, Frame, Source, SourceError};
use crate::file::File;

/// A video as a source.
pub struct VideoSource {
    file: File,
    video: Video,
    number: u64,
    /// The picture that is shown next, where it is decoded already.
    next: Option<VideoFrame>,
    /// Seconds of the picture that was given last.
    last: f64,
    /// When the video's beginning was, or would have been.
    began: Option<Instant>,
}

impl VideoSource {
    /// The video in a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(file: File) -> Result<Self, SourceError> {
        Ok(Self {
            video: file.video().map_err(|error| told(&file, &error))?,
            file,
            number: 0,
            next: None,
            last: 0.0,
            began: None,
        })
    }

    fn decoded(&mut self) -> Result<Option<VideoFrame>, SourceError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        let frame = self.video.next().transpose();
        let frame = frame.map_err(|error| told(&self.file, &error))?;
        self.number += u64::from(frame.is_some());
        Ok(frame)
    }

    /// Go to the picture at a time. Pictures lean on those before them, so all up to it are decoded.
    fn seek(&mut self, time: f64, control: &Control) -> Result<(), SourceError> {
        if time < self.last {
            self.video = self
                .file
                .video()
                .map_err(|error| told(&self.file, &error))?;
            (self.number, self.next, self.last) = (0, None, 0.0);
        }
        let mut last = None;
        while let Some(frame) = self.decoded()? {
            let is_there = frame.time + 0.5 / self.video.rate.per_second() >= time;
            last = Some(frame);
            if is_there || control.is_called() {
                break;
            }
        }
        self.next = last;
        Ok(())
    }
}

fn told(file: &File, error: &VideoError) -> SourceError {
    SourceError(format!("{} {error}", file.name()))
}

impl Source for VideoSource {
    async fn next(&mut self, control: &Control) -> Result<Option<Frame>, SourceError> {
        if let Some(time) = control.take_seek() {
            self.seek(time, control)?;
            self.began = None;
        }
        if !control.plays() {
            // What is asked for one by one goes by no clock.
            self.began = None;
        }
        let Some(mut frame) = self.decoded()? else {
            // From the beginning, when it is asked for more.
            self.seek(0.0, control)?;
            self.began = None;
            return Ok(None);
        };
        let now = Instant::now();
        let due = |frame: &VideoFrame, began: Instant| {
            began + Duration::from_secs_f64(frame.time.max(0.0))
        };
        let interval = Duration::from_secs_f64(1.0 / self.video.rate.per_second());
        let start =
            |frame: &VideoFrame| now.checked_sub(Duration::from_secs_f64(frame.time.max(0.0)));
        let began = match self.began {
            // It was paused, or what looks at its pictures is much slower than they come: it goes on from here.
            Some(began) if now > due(&frame, began) + interval * MOST_LEFT_OUT => None,
            began => began,
        };
        let began = began.or_else(|| start(&frame)).unwrap_or(now);
        self.began = Some(began);
        // Pictures whose time is over are left out.
        while now > due(&frame, began) + interval {
            match self.decoded()? {
                Some(later) => frame = later,
                None => break,
            }
        }
        let due = due(&frame, began);
        control.wait(due.saturating_duration_since(now)).await;
        self.last = frame.time;
        Ok(Some(Frame {
            number: self.number - 1,
            time: frame.time,
            ..Frame::new(Arc::new(frame.picture), &self.file.name())
        }))
    }

    fn length(&self) -> Option<f64> {
        let count = self.video.count? as f64;
        Some(count / self.video.rate.per_second())
    }
}

/// Pictures that are left out at most to catch up with the clock.
const MOST_LEFT_OUT: u32 = 15;
