//! Videos as sequences of pictures: YUV4MPEG2 (y4m), AVI with Motion JPEG, and mp4 with H.264.
//!
//! Pictures come one after the other, in the order they are shown; few are in memory at a time.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use image::RgbaImage;

mod avi;
mod colour;
mod mp4;
mod y4m;

pub use y4m::Writer;

/// Most memory of a picture, in bytes.
const MAX_PICTURE: u64 = 512 << 20;

/// A video that is being read: an iterator over its pictures. After an error it ends; the pictures
/// before the error are good.
pub struct Video {
    /// Width in pixels, as the file says; of single pictures it may differ.
    pub width: u32,
    /// Height in pixels, as the file says; of single pictures it may differ.
    pub height: u32,
    /// Pictures per second, the usual one where it varies.
    pub rate: Rate,
    /// How many pictures there are, if the file says so; no promise.
    pub count: Option<u64>,
    pictures: Pictures,
    state: State,
}

type Pictures = Box<dyn Iterator<Item = Result<VideoFrame, VideoError>> + Send>;

#[derive(PartialEq)]
enum State {
    Fresh,
    Going,
    Over,
}

/// One picture of a video.
#[derive(Clone, Debug)]
pub struct VideoFrame {
    /// Seconds since the first picture.
    pub time: f64,
    /// The picture, turned as the file says; opaque.
    pub picture: RgbaImage,
}

/// Pictures per second, as a ratio of whole numbers above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    numerator: u32,
    denominator: u32,
}

impl Rate {
    /// What is taken for the rate of a file that tells none.
    const UNTOLD: Self = Self {
        numerator: 25,
        denominator: 1,
    };

    /// So many pictures in so many seconds; none where either is 0.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        let (mut divisor, mut rest) = (numerator, denominator);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Some(Self {
            numerator: numerator / divisor,
            denominator: denominator / divisor,
        })
    }

    /// Pictures per second.
    pub fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// When picture `index` is shown, in seconds.
    fn time(self, index: u64) -> f64 {
        index as f64 / self.per_second()
    }
}

/// Why there is no video, or no more of it. Reads on from the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// The operating system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Neither y4m, AVI nor mp4.
    #[error("is no video of a known kind: expected y4m, AVI or mp4")]
    Unknown,
    /// Of a stream.
    #[error("is no y4m video: expected one, as ffmpeg writes with -f yuv4mpegpipe")]
    NotY4m,
    /// A file with something else in it, such as sound.
    #[error("has no video in it")]
    NoVideo,
    /// Compressed in a way that is not read.
    #[error("has the codec {found}: expected {expected}")]
    Codec {
        /// What is read in such a file.
        expected: &'static str,
        /// The codec's code in the file, and its name where it is known.
        found: String,
    },
    /// Pictures stored in a way that is not read.
    #[error("stores pictures as {found}: expected {expected}")]
    Form {
        /// What is read in such a file.
        expected: &'static str,
        /// What the file says.
        found: String,
    },
    /// Pictures that memory could not hold, or without pixels.
    #[error(
        "has pictures of {width}×{height} pixels: expected at least one, and at most {} MiB in memory",
        MAX_PICTURE >> 20
    )]
    Size {
        /// In pixels.
        width: u64,
        /// In pixels.
        height: u64,
    },
    /// The file says that it has more.
    #[error("is cut short")]
    CutShort,
    /// An mp4 whose writer did not come to its end.
    #[error("has no index (moov): it was cut short, or is being written still")]
    NoIndex,
    /// No pictures at all.
    #[error("has no pictures in it")]
    Empty,
    /// Against the format's rules.
    #[error("is a broken video: {0}")]
    Broken(String),
}

impl Video {
    /// The video in a file, its kind recognized by content.
    ///
    /// # Errors
    /// If the file cannot be read, is of another kind, or has no video of a known codec.
    pub fn open(path: &Path) -> Result<Self, VideoError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Self::read(file, length)
    }

    /// The same of so many bytes that something else than a file has, such as memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(
        mut source: impl Read + Seek + Send + 'static,
        length: u64,
    ) -> Result<Self, VideoError> {
        let kind = Kind::of(&first_bytes(&mut source)?).ok_or(VideoError::Unknown)?;
        source.rewind()?;
        let reader = BufReader::new(source);
        match kind {
            Kind::Y4m => y4m::open(reader),
            Kind::Avi => avi::open(reader, length),
            Kind::Mp4 => mp4::open(reader, length),
        }
    }

    /// A y4m video that comes from elsewhere, such as standard input. It need not end.
    ///
    /// # Errors
    /// If its first line is not y4m's, or tells of pictures that are not read.
    pub fn stream(reader: impl Read + Send + 'static) -> Result<Self, VideoError> {
        y4m::open(BufReader::new(reader))
    }

    /// Whether a file begins as the videos do that [`open`](Self::open) reads. What cannot be read is
    /// none, nor is a pipe, which would lose what is read of it.
    pub fn is_in(path: &Path) -> bool {
        if !path.is_file() {
            return false;
        }
        let first = File::open(path).and_then(|mut file| first_bytes(&mut file));
        first.is_ok_and(|first| Kind::of(&first).is_some())
    }

    /// The same of bytes in memory.
    pub fn is_in_bytes(bytes: &[u8]) -> bool {
        first_bytes(&mut &*bytes).is_ok_and(|first| Kind::of(&first).is_some())
    }

    fn new(
        [width, height]: [u32; 2],
        rate: Rate,
        count: Option<u64>,
        pictures: impl Iterator<Item = Result<VideoFrame, VideoError>> + Send + 'static,
    ) -> Self {
        Self {
            width,
            height,
            rate,
            count,
            pictures: Box::new(pictures),
            state: State::Fresh,
        }
    }
}

impl Iterator for Video {
    type Item = Result<VideoFrame, VideoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Over {
            return None;
        }
        let next = match self.pictures.next() {
            None if self.state == State::Fresh => Some(Err(VideoError::Empty)),
            next => next,
        };
        self.state = match next {
            Some(Ok(_)) => State::Going,
            Some(Err(_)) | None => State::Over,
        };
        next
    }
}

enum Kind {
    Y4m,
    Avi,
    Mp4,
}

impl Kind {
    /// By a file's first bytes.
    fn of(first: &[u8]) -> Option<Self> {
        match first {
            [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', b'2', ..] => Some(Self::Y4m),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' '] => Some(Self::Avi),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
                // Pictures in the same container.
                b"avif" | b"avis" | b"heic" | b"heix" | b"mif1" | b"msf1" => None,
                _ => Some(Self::Mp4),
            },
            // QuickTime's, older than ftyp.
            [_, _, _, _, name @ .., _, _, _, _]
                if [b"moov", b"mdat", b"wide"]
                    .iter()
                    .any(|known| *known == name) =>
            {
                Some(Self::Mp4)
            }
            _ => None,
        }
    }
}

/// What a kind is recognized by; less of a shorter file.
fn first_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    reader.take(12).read_to_end(&mut first)?;
    Ok(first)
}

/// # Errors
/// If memory cannot hold such pictures, or they have no pixels.
fn check_size(width: impl Into<u64>, height: impl Into<u64>) -> Result<[u32; 2], VideoError> {
    let (width, height) = (width.into(), height.into());
    let bytes = width.saturating_mul(height).saturating_mul(4);
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(w), Ok(h)) if (1..=MAX_PICTURE).contains(&bytes) => Ok([w, h]),
        _ => Err(VideoError::Size { width, height }),
    }
}
