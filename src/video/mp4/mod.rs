//! mp4 with H.264. What is shown when is told by the index; edit lists are not followed, so that
//! pictures which an editor cut off at the ends are seen.

use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};

use image::metadata::Orientation;
use image::{DynamicImage, RgbaImage};
use rust_h264::decoder::{ChromaFormat, Frame, OrderedDecoder};
use rust_h264::error::DecodeError;
use rust_h264::nal::{NalUnit, NalUnitType, parse_avcc, parse_avcc_config, parse_sps_info};

use self::index::Index;
use self::sample::Sample;
use super::colour::{Colour, Planes, Sampling, to_eight_bits};
use super::{Video, VideoError, VideoFrame, check_size};

mod boxes;
mod fragments;
mod index;
mod sample;
mod tables;

pub fn open<R: Read + Seek + Send + 'static>(
    mut reader: R,
    length: u64,
) -> Result<Video, VideoError> {
    let index = Index::read(&mut reader, length)?;
    let config =
        parse_avcc_config(&index.config).map_err(|error| VideoError::Broken(error.to_owned()))?;
    let mut pictures = Pictures {
        reader,
        length,
        prefix: config.length_size,
        timescale: index.timescale,
        orientation: index.orientation,
        samples: index.samples.into_iter(),
        decoder: OrderedDecoder::new(),
        colour: Colour::usual(index.size[1]),
        ready: VecDeque::new(),
        end: None,
    };
    for unit in config.sps_nals.iter().chain(&config.pps_nals) {
        pictures.decode(unit, 0)?;
    }
    let [width, height] = index.size;
    let size = match index.orientation {
        Orientation::Rotate90 | Orientation::Rotate270 => [height, width],
        _ => [width, height],
    };
    let count = pictures.samples.len() as u64;
    Ok(Video::new(size, index.rate, Some(count), pictures))
}

struct Pictures<R> {
    reader: R,
    length: u64,
    /// Bytes that say how long a unit is.
    prefix: usize,
    /// Units of time in a second.
    timescale: u32,
    orientation: Orientation,
    samples: std::vec::IntoIter<Sample>,
    decoder: OrderedDecoder<Shown>,
    /// Of the pictures to come.
    colour: Colour,
    /// In the order they are shown.
    ready: VecDeque<(Frame, Shown)>,
    /// Set when all has been decoded, with the error if there was one.
    end: Option<Result<(), VideoError>>,
}

/// What a picture takes along through the decoder, which gives pictures in another order than it
/// takes them.
#[derive(Clone, Copy)]
struct Shown {
    time: i64,
    colour: Colour,
}

impl<R: Read + Seek> Pictures<R> {
    /// Decode the next sample, or what the decoder still holds after the last.
    fn go_on(&mut self) {
        let ended = match self.samples.next() {
            Some(sample) => match self.decode_sample(&sample) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
            None => Ok(()),
        };
        self.ready.extend(self.decoder.flush_with_meta());
        self.end = Some(ended);
    }

    fn decode_sample(&mut self, sample: &Sample) -> Result<(), VideoError> {
        if sample.offset.saturating_add(sample.size.into()) > self.length {
            return Err(VideoError::CutShort);
        }
        self.reader.seek(SeekFrom::Start(sample.offset))?;
        let mut bytes = vec![0; sample.size as usize];
        self.reader.read_exact(&mut bytes)?;
        for unit in parse_avcc(&bytes, self.prefix) {
            self.decode(&unit, sample.time)?;
        }
        Ok(())
    }

    fn decode(&mut self, unit: &NalUnit, time: i64) -> Result<(), VideoError> {
        if unit.nal_unit_type == NalUnitType::Sps {
            let told = parse_sps_info(unit).map_err(explain)?;
            check_size(told.coded_width, told.coded_height)?;
            self.colour = Colour::usual(told.height)
                .with_matrix(told.matrix)
                .with_full_range(told.full_range);
        }
        let shown = Shown {
            time,
            colour: self.colour,
        };
        let decoded = self.decoder.decode_nal_with_meta(unit, shown);
        self.ready.extend(decoded.map_err(explain)?);
        Ok(())
    }

    fn picture(&self, frame: &Frame, shown: Shown) -> Result<VideoFrame, VideoError> {
        let mut picture: DynamicImage = to_rgba(frame, shown.colour)?.into();
        picture.apply_orientation(self.orientation);
        Ok(VideoFrame {
            time: shown.time as f64 / f64::from(self.timescale),
            picture: picture.into_rgba8(),
        })
    }
}

impl<R: Read + Seek> Iterator for Pictures<R> {
    type Item = Result<VideoFrame, VideoError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((frame, shown)) = self.ready.pop_front() {
                return Some(self.picture(&frame, shown));
            }
            match self.end.take() {
                None => self.go_on(),
                Some(Ok(())) => return None,
                Some(Err(error)) => return Some(Err(error)),
            }
        }
    }
}

fn to_rgba(frame: &Frame, colour: Colour) -> Result<RgbaImage, VideoError> {
    let mut planes = [&frame.y, &frame.u, &frame.v];
    let rounded;
    if frame.bit_depth > 8 {
        rounded = planes.map(|plane| to_eight_bits(plane, frame.bit_depth.into()));
        planes = rounded.each_ref();
    }
    let [y, u, v] = planes;
    let planes = Planes {
        size: [frame.width, frame.height],
        sampling: match frame.chroma_format {
            ChromaFormat::Yuv420 => Sampling::S420,
            ChromaFormat::Yuv422 => Sampling::S422,
        },
        y,
        u,
        v,
    };
    planes.to_rgba(colour)
}

fn explain(error: DecodeError) -> VideoError {
    match error {
        DecodeError::Unsupported(what) => VideoError::Form {
            expected: "H.264 in 4:2:0 or 4:2:2 with 8 or 10 bits",
            found: what.to_owned(),
        },
        error => VideoError::Broken(format!("H.264, {error}")),
    }
}
