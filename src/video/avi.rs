//! AVI with Motion JPEG. A file is a flat walk over its chunks: a list's content follows its head, so
//! that it matters neither how long lists say they are (a camera that was unplugged never told) nor
//! how many segments of OpenDML follow the first.

use std::io::{BufReader, Cursor, ErrorKind, Read, Seek};

use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageDecoder, RgbaImage};

use super::{Rate, Video, VideoError, VideoFrame, check_size};

/// Lists that are walked through; others are passed over.
const ENTERED: [&[u8; 4]; 4] = [b"hdrl", b"strl", b"movi", b"rec "];

/// A segment that makes decoders take the standard's own Huffman tables, which Motion JPEG may leave
/// out, where a picture brings none.
const STANDARD_TABLES: [u8; 18] = *b"\xFF\xE0\0\x10AVI1\0\0\0\0\0\0\0\0\0\0";

pub fn open<R: Read + Seek + Send + 'static>(
    reader: BufReader<R>,
    length: u64,
) -> Result<Video, VideoError> {
    let mut chunks = Chunks {
        reader,
        length,
        at: 0,
        is_cut: false,
    };
    let stream = Stream::find(&mut chunks)?;
    let pictures = Pictures {
        names: [b'c', b'b'].map(|kind| stream.chunk_name(kind)),
        chunks,
        last: None,
    };
    let rate = stream.rate;
    let timed = (0..).zip(pictures).map(move |(index, picture)| {
        let time = rate.time(index);
        Ok(VideoFrame {
            time,
            picture: picture?,
        })
    });
    Ok(Video::new(stream.size, rate, stream.count, timed))
}

/// The first stream of video, as the header tells of it.
struct Stream {
    number: usize,
    size: [u32; 2],
    rate: Rate,
    count: Option<u64>,
}

impl Stream {
    /// Reads on to where the pictures begin.
    fn find<R: Read + Seek>(chunks: &mut Chunks<R>) -> Result<Self, VideoError> {
        let mut headers = 0;
        let mut video = None;
        let mut found = None;
        while let Some(chunk) = chunks.next()? {
            match &chunk.name {
                b"movi" => return found.ok_or(VideoError::NoVideo),
                b"strh" => {
                    let header = chunks.read(&chunk)?;
                    let is_video = header.starts_with(b"vids") && found.is_none();
                    video = is_video.then_some((headers, header));
                    headers += 1;
                }
                b"strf" => {
                    let format = chunks.read(&chunk)?;
                    if let Some((number, header)) = video.take() {
                        found = Some(Self::new(number, &header, &format)?);
                    }
                }
                _ => {}
            }
        }
        match chunks.is_cut {
            true => Err(VideoError::CutShort),
            false => Err(VideoError::Broken("it has no list of pictures".to_owned())),
        }
    }

    /// From an `AVISTREAMHEADER` and a `BITMAPINFOHEADER`.
    fn new(number: usize, header: &[u8], format: &[u8]) -> Result<Self, VideoError> {
        let word = |bytes: &[u8], at: usize| {
            let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
            let word = word.map(u32::from_le_bytes);
            word.ok_or_else(|| VideoError::Broken("a stream's header is too short".to_owned()))
        };
        let codec = word(format, 16)?.to_le_bytes();
        if !codec.eq_ignore_ascii_case(b"MJPG") {
            return Err(VideoError::Codec {
                expected: "MJPG (Motion JPEG)",
                found: match codec {
                    [0, 0, 0, 0] => "0 (uncompressed)".to_owned(),
                    code => code.escape_ascii().to_string(),
                },
            });
        }
        // Pictures that go from the bottom up have a negative height.
        let height = word(format, 8)?.cast_signed().unsigned_abs();
        let count = word(header, 32)?;
        Ok(Self {
            number,
            size: check_size(word(format, 4)?, height)?,
            rate: Rate::new(word(header, 24)?, word(header, 20)?).unwrap_or(Rate::UNTOLD),
            count: (count > 0).then_some(count.into()),
        })
    }

    /// Its pictures' chunks: `00dc` for those of stream 0 that are compressed.
    fn chunk_name(&self, kind: u8) -> [u8; 4] {
        let digit = |number: usize| b'0' + (number % 10) as u8;
        [digit(self.number / 10), digit(self.number), b'd', kind]
    }
}

struct Pictures<R> {
    names: [[u8; 4]; 2],
    chunks: Chunks<R>,
    last: Option<RgbaImage>,
}

impl<R: Read + Seek> Pictures<R> {
    fn try_next(&mut self) -> Result<Option<RgbaImage>, VideoError> {
        while let Some(chunk) = self.chunks.next()? {
            if !self.names.contains(&chunk.name) {
                continue;
            }
            if chunk.size > 0 {
                self.last = Some(decode(&self.chunks.read(&chunk)?)?);
            }
            // An empty one shows the picture before it once more.
            if let Some(picture) = &self.last {
                return Ok(Some(picture.clone()));
            }
        }
        match self.chunks.is_cut {
            true => Err(VideoError::CutShort),
            false => Ok(None),
        }
    }
}

impl<R: Read + Seek> Iterator for Pictures<R> {
    type Item = Result<RgbaImage, VideoError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}

/// A picture of Motion JPEG.
fn decode(jpeg: &[u8]) -> Result<RgbaImage, VideoError> {
    let broken = |error: image::ImageError| VideoError::Broken(error.to_string());
    let Some(rest) = jpeg.strip_prefix(b"\xFF\xD8") else {
        return Err(VideoError::Broken("a picture is no JPEG".to_owned()));
    };
    let jpeg = [b"\xFF\xD8", &STANDARD_TABLES[..], rest].concat();
    let decoder = JpegDecoder::new(Cursor::new(jpeg)).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    Ok(picture.into_rgba8())
}

/// A file's chunks, one after the other.
struct Chunks<R> {
    reader: BufReader<R>,
    length: u64,
    /// Where the next chunk begins.
    at: u64,
    /// Whether a segment says that it is longer than the file.
    is_cut: bool,
}

/// A chunk, or a list by its own name.
struct Chunk {
    name: [u8; 4],
    /// Where its content begins.
    start: u64,
    size: u32,
}

impl<R: Read + Seek> Chunks<R> {
    fn next(&mut self) -> Result<Option<Chunk>, VideoError> {
        // What is shorter than a chunk's head pads the end.
        if self.at + 8 > self.length {
            return Ok(None);
        }
        self.go_to(self.at)?;
        let (mut name, size) = (self.word()?, u32::from_le_bytes(self.word()?));
        let start = self.at + 8;
        let end = start + u64::from(size);
        // Contents have an even length.
        self.at = end + u64::from(size % 2);
        if &name == b"RIFF" || &name == b"LIST" {
            // Segments that were never closed say nothing, or the most.
            if &name == b"RIFF" && size != u32::MAX && end > self.length {
                self.is_cut = true;
            }
            let is_segment = &name == b"RIFF";
            name = self.word()?;
            if is_segment || ENTERED.contains(&&name) {
                self.at = start + 4;
            }
        }
        Ok(Some(Chunk { name, start, size }))
    }

    fn read(&mut self, chunk: &Chunk) -> Result<Vec<u8>, VideoError> {
        if chunk.start + u64::from(chunk.size) > self.length {
            return Err(VideoError::CutShort);
        }
        self.go_to(chunk.start)?;
        let mut content = vec![0; chunk.size as usize];
        self.reader.read_exact(&mut content)?;
        Ok(content)
    }

    fn go_to(&mut self, at: u64) -> Result<(), VideoError> {
        let here = self.reader.stream_position()?;
        // Unlike a seek, it keeps what is in the buffer.
        self.reader
            .seek_relative(at.cast_signed() - here.cast_signed())?;
        Ok(())
    }

    fn word(&mut self) -> Result<[u8; 4], VideoError> {
        let mut word = [0; 4];
        match self.reader.read_exact(&mut word) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(VideoError::CutShort),
            read => Ok(read.map(|()| word)?),
        }
    }
}
