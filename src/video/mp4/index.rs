//! Where the pictures of an mp4 lie in the file, and when they are shown.

use std::io::{Read, Seek, SeekFrom};

use image::metadata::Orientation;

use super::boxes::{Head, Mp4Box, boxes, find_in, require};
use super::fragments::Fragments;
use super::sample::Sample;
use super::tables;
use crate::video::{Rate, VideoError, check_size};

/// Bytes of a sample entry before its boxes.
const VISUAL_ENTRY: usize = 78;

/// What a file says of its first track of video.
pub struct Index {
    /// Width and height as they are stored, in pixels.
    pub size: [u32; 2],
    pub orientation: Orientation,
    /// Units of time in a second.
    pub timescale: u32,
    pub rate: Rate,
    /// The content of `avcC`.
    pub config: Vec<u8>,
    /// In the order they are decoded.
    pub samples: Vec<Sample>,
}

impl Index {
    pub fn read<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Self, VideoError> {
        let mut track: Option<(Self, Fragments)> = None;
        let mut at = 0;
        while at < length {
            reader.seek(SeekFrom::Start(at))?;
            let mut first = Vec::new();
            let head = reader.take(Head::MOST as u64).read_to_end(&mut first);
            head?;
            let Some(head) = Head::of(&first) else {
                break;
            };
            let start = at + head.length as u64;
            let size = head.content.unwrap_or(length - start);
            let end = start.saturating_add(size);
            if matches!(&head.name, b"moov" | b"moof") {
                if end > length {
                    return Err(VideoError::CutShort);
                }
                reader.seek(SeekFrom::Start(start))?;
                let mut content = vec![0; size as usize];
                reader.read_exact(&mut content)?;
                match (&head.name, &mut track) {
                    (b"moov", None) => track = Some(Self::of(&content, length)?),
                    (b"moof", Some((index, fragments))) => {
                        let samples = fragments.samples(&content, at, length)?;
                        index.samples.extend(samples);
                    }
                    _ => {}
                }
            }
            at = end;
        }
        let (mut index, fragments) = track.ok_or(VideoError::NoIndex)?;
        if let Some(rate) = fragments.rate(index.timescale) {
            index.rate = rate;
        }
        let first = index.samples.iter().map(|sample| sample.time).min();
        for sample in &mut index.samples {
            sample.time = sample.time.saturating_sub(first.unwrap_or(0));
        }
        Ok(index)
    }

    /// From the content of `moov`.
    fn of(moov: &[u8], length: u64) -> Result<(Self, Fragments), VideoError> {
        let is_video = |track: &Mp4Box| {
            let handler = find_in(track.content, &[b"mdia", b"hdlr"]);
            track.name == *b"trak" && handler.get(8..12) == Some(b"vide")
        };
        let track = boxes(moov).find(is_video).ok_or(VideoError::NoVideo)?;
        let media = find_in(track.content, &[b"mdia"]);
        let tables = find_in(media, &[b"minf", b"stbl"]);
        let (size, config) = described(find_in(tables, &[b"stsd"]))?;
        let header = TrackHeader::read(require(track.content, b"tkhd")?)?;
        let timescale = timescale(require(media, b"mdhd")?)?;
        let durations = tables::durations(tables)?;
        let most_usual = durations.iter().max_by_key(|[count, _]| *count);
        let rate = most_usual.and_then(|[_, duration]| Rate::new(timescale, *duration));
        let index = Self {
            size,
            orientation: header.orientation,
            timescale,
            rate: rate.unwrap_or(Rate::UNTOLD),
            config,
            samples: tables::samples(tables, &durations, length)?,
        };
        Ok((index, Fragments::new(moov, header.id)?))
    }
}

struct TrackHeader {
    id: u32,
    /// How a player turns the pictures; what is no quarter turn is left alone.
    orientation: Orientation,
}

impl TrackHeader {
    fn read(header: Mp4Box) -> Result<Self, VideoError> {
        let (version, _, mut numbers) = header.numbers()?;
        let is_long = version == 1;
        // When it was created and changed.
        numbers.skip(if is_long { 16 } else { 8 })?;
        let id = numbers.u32()?;
        // What is reserved, duration, layer, group and volume.
        numbers.skip(if is_long { 12 } else { 8 } + 16)?;
        let [a, b] = [numbers.i32()?, numbers.i32()?];
        numbers.skip(4)?;
        let [c, d] = [numbers.i32()?, numbers.i32()?];
        let orientation = match [a, b, c, d].map(i32::signum) {
            [0, 1, -1, 0] => Orientation::Rotate90,
            [-1, 0, 0, -1] => Orientation::Rotate180,
            [0, -1, 1, 0] => Orientation::Rotate270,
            _ => Orientation::NoTransforms,
        };
        Ok(Self { id, orientation })
    }
}

/// Units of time in a second, from `mdhd`.
fn timescale(header: Mp4Box) -> Result<u32, VideoError> {
    let (version, _, mut numbers) = header.numbers()?;
    // When it was created and changed.
    numbers.skip(if version == 1 { 16 } else { 8 })?;
    Ok(numbers.u32()?.max(1))
}

/// Width, height and `avcC`, from the content of `stsd`.
fn described(stsd: &[u8]) -> Result<([u32; 2], Vec<u8>), VideoError> {
    let entry = boxes(stsd.get(8..).unwrap_or_default()).next();
    let entry = entry.ok_or_else(|| VideoError::Broken("it has no stsd".to_owned()))?;
    if !matches!(&entry.name, b"avc1" | b"avc3") {
        return Err(VideoError::Codec {
            expected: "avc1 (H.264)",
            found: named(&entry.name),
        });
    }
    let Some((fields, rest)) = entry.content.split_at_checked(VISUAL_ENTRY) else {
        return Err(VideoError::Broken("its avc1 is too short".to_owned()));
    };
    let side = |at: usize| u16::from_be_bytes([fields[at], fields[at + 1]]);
    let size = check_size(side(24), side(26))?;
    Ok((size, require(rest, b"avcC")?.content.to_owned()))
}

/// A codec's code, with its name where it is a usual one.
fn named(code: &[u8; 4]) -> String {
    let name = match code {
        b"hev1" | b"hvc1" => "H.265",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"mp4v" => "MPEG-4 Visual",
        b"jpeg" | b"mjpa" | b"mjpb" => "Motion JPEG",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" => "ProRes",
        _ => return code.escape_ascii().to_string(),
    };
    format!("{} ({name})", code.escape_ascii())
}
