//! YUV4MPEG2: pictures as they are, behind a line of text each. It can be read from a pipe, and
//! written to one.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use image::{RgbImage, RgbaImage};

use super::colour::{Colour, Planes, Sampling, to_eight_bits, to_yuv420};
use super::{Rate, Video, VideoError, VideoFrame, check_size};

/// Longest line, in bytes.
const MAX_LINE: u64 = 1024;

/// What the first line says where it says nothing.
const UNTOLD_FORM: &str = "420";

pub fn open(mut reader: impl BufRead + Send + 'static) -> Result<Video, VideoError> {
    let header = read_line(&mut reader)?;
    if !header.starts_with(b"YUV4MPEG2 ") {
        return Err(VideoError::NotY4m);
    }
    let header = String::from_utf8_lossy(&header).into_owned();
    let parameter = |name| {
        let mut words = header.split_ascii_whitespace().skip(1);
        words.find_map(|word| word.strip_prefix(name))
    };
    let side = |name| parameter(name).and_then(|side| side.parse::<u64>().ok());
    let size = match (side("W"), side("H")) {
        (Some(width), Some(height)) => check_size(width, height)?,
        _ => return Err(VideoError::Broken("it says no width and height".to_owned())),
    };
    let form = parameter("C").unwrap_or(UNTOLD_FORM);
    let form = Form::of(form).ok_or_else(|| VideoError::Form {
        expected: "mono, 420, 422 or 444, as ffmpeg writes with -pix_fmt yuv420p",
        found: form.to_owned(),
    })?;
    let rate = parameter("F").and_then(|rate| {
        let (numerator, denominator) = rate.split_once(':')?;
        Rate::new(numerator.parse().ok()?, denominator.parse().ok()?)
    });
    let rate = rate.unwrap_or(Rate::UNTOLD);
    let pictures = Pictures {
        size,
        form,
        colour: Colour::usual(size[1]).with_full_range(parameter("XCOLORRANGE=") == Some("FULL")),
        samples: vec![0; form.bytes(size)],
        reader,
    };
    let timed = (0..).zip(pictures).map(move |(index, picture)| {
        Ok(VideoFrame {
            time: rate.time(index),
            picture: picture?,
        })
    });
    Ok(Video::new(size, rate, None, timed))
}

/// A line with its end; nothing at the end of the video.
fn read_line(reader: &mut impl BufRead) -> Result<Vec<u8>, VideoError> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    match line.last() {
        None | Some(b'\n') => Ok(line),
        Some(_) if line.len() as u64 == MAX_LINE => Err(VideoError::NotY4m),
        Some(_) => Err(VideoError::CutShort),
    }
}

/// How pictures are stored.
#[derive(Clone, Copy)]
struct Form {
    sampling: Sampling,
    bits: usize,
}

impl Form {
    /// By its name in the first line.
    fn of(name: &str) -> Option<Self> {
        let (layout, bits) = match name {
            "420jpeg" | "420mpeg2" | "420paldv" => ("420", 8),
            // As 420p10.
            _ if name.starts_with('4') => match name.split_once('p') {
                Some((layout, bits)) => (layout, bits.parse().ok()?),
                None => (name, 8),
            },
            _ => match name.strip_prefix("mono")? {
                "" => ("mono", 8),
                bits => ("mono", bits.parse().ok()?),
            },
        };
        let sampling = match layout {
            "mono" => Sampling::Mono,
            "420" => Sampling::S420,
            "422" => Sampling::S422,
            "444" => Sampling::S444,
            _ => return None,
        };
        (8..=16).contains(&bits).then_some(Self { sampling, bits })
    }

    /// Of a picture of this width and height.
    fn bytes(self, size: [u32; 2]) -> usize {
        let [luma, chroma] = self.sampling.samples(size);
        (luma + 2 * chroma) * self.bits.div_ceil(8)
    }
}

struct Pictures<R> {
    size: [u32; 2],
    form: Form,
    colour: Colour,
    /// Of one picture, as they lie in the file.
    samples: Vec<u8>,
    reader: R,
}

impl<R: BufRead> Pictures<R> {
    fn try_next(&mut self) -> Result<Option<RgbaImage>, VideoError> {
        let line = read_line(&mut self.reader)?;
        if line.is_empty() {
            return Ok(None);
        }
        if !line.starts_with(b"FRAME") {
            return Err(VideoError::Broken("a picture lacks its FRAME".to_owned()));
        }
        let read = self.reader.read_exact(&mut self.samples);
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => VideoError::CutShort,
            _ => VideoError::Io(error),
        })?;
        let rounded;
        let samples = match self.form.bits {
            8 => &self.samples,
            bits => {
                rounded = to_eight_bits(&self.samples, bits);
                &rounded
            }
        };
        let [luma, chroma] = self.form.sampling.samples(self.size);
        let (y, rest) = samples.split_at(luma);
        let (u, v) = rest.split_at(chroma);
        let planes = Planes {
            size: self.size,
            sampling: self.form.sampling,
            y,
            u,
            v,
        };
        planes.to_rgba(self.colour).map(Some)
    }
}

impl<R: BufRead> Iterator for Pictures<R> {
    type Item = Result<RgbaImage, VideoError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}

/// Writes a y4m video of pictures of one size: 4:2:0, in limited range, BT.601 up to a height of 576
/// pixels and BT.709 above.
pub struct Writer<W> {
    writer: W,
    size: (u32, u32),
}

impl<W: Write> Writer<W> {
    /// For pictures of this width and height, shown at `rate`.
    ///
    /// # Errors
    /// If `writer` refuses.
    pub fn new(mut writer: W, size: (u32, u32), rate: Rate) -> io::Result<Self> {
        let (width, height) = size;
        let Rate {
            numerator,
            denominator,
        } = rate;
        writeln!(
            writer,
            "YUV4MPEG2 W{width} H{height} F{numerator}:{denominator} Ip A1:1 C420jpeg"
        )?;
        Ok(Self { writer, size })
    }

    /// Width and height of its pictures.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The next picture, flushed.
    ///
    /// # Errors
    /// If it is of another size, or the writer refuses.
    pub fn write(&mut self, picture: &RgbImage) -> io::Result<()> {
        let invalid = |reason: &str| io::Error::new(ErrorKind::InvalidInput, reason);
        if picture.dimensions() != self.size {
            return Err(invalid("the picture is of another size"));
        }
        let planes = to_yuv420(picture).map_err(|error| invalid(&error.to_string()))?;
        self.writer.write_all(b"FRAME\n")?;
        for plane in [&planes.y_plane, &planes.u_plane, &planes.v_plane] {
            self.writer.write_all(plane.borrow())?;
        }
        self.writer.flush()
    }

    /// The writer, after the last picture.
    pub fn into_inner(self) -> W {
        self.writer
    }
}
