//! Files whose index comes piece by piece (`moof`), as live recordings write it.

use super::boxes::{Mp4Box, boxes, find, find_in, require};
use super::sample::Sample;
use crate::video::{Rate, VideoError};

/// What carries over from fragment to fragment of one track.
pub struct Fragments {
    track: u32,
    defaults: Defaults,
    /// When the next sample is decoded, in units of time.
    decoded_at: i64,
    /// The first sample's duration.
    duration: Option<u32>,
}

/// Of a sample that says nothing else.
#[derive(Clone, Copy, Default)]
struct Defaults {
    duration: u32,
    size: u32,
}

impl Fragments {
    /// From the content of `moov`.
    pub fn new(moov: &[u8], track: u32) -> Result<Self, VideoError> {
        let mut defaults = Defaults::default();
        for each in boxes(find_in(moov, &[b"mvex"])).filter(|each| each.name == *b"trex") {
            let (_, _, mut numbers) = each.numbers()?;
            if numbers.u32()? == track {
                numbers.skip(4)?;
                defaults = Defaults {
                    duration: numbers.u32()?,
                    size: numbers.u32()?,
                };
            }
        }
        Ok(Self {
            track,
            defaults,
            decoded_at: 0,
            duration: None,
        })
    }

    /// The rate that the first sample's duration means, if there was one.
    pub fn rate(&self, timescale: u32) -> Option<Rate> {
        Rate::new(timescale, self.duration?)
    }

    /// The samples that a `moof` lists, given its content and where it begins, as far as the file
    /// reaches, and the first beyond its end.
    pub fn samples(
        &mut self,
        moof: &[u8],
        start: u64,
        length: u64,
    ) -> Result<Vec<Sample>, VideoError> {
        let mut samples = Vec::new();
        for part in boxes(moof).filter(|each| each.name == *b"traf") {
            let header = Header::read(require(part.content, b"tfhd")?, start, self.defaults)?;
            if header.track != self.track {
                continue;
            }
            if let Some(told) = find(part.content, b"tfdt") {
                let (version, _, mut numbers) = told.numbers()?;
                self.decoded_at = numbers.long_or_short(version == 1)?.cast_signed();
            }
            let mut offset = header.base;
            for run in boxes(part.content).filter(|each| each.name == *b"trun") {
                self.read_run(run, &header, &mut offset, length, &mut samples)?;
            }
        }
        Ok(samples)
    }

    /// Add the samples of a `trun`; they begin at `offset` if it says nothing else, and the next
    /// ones where they end.
    fn read_run(
        &mut self,
        run: Mp4Box,
        header: &Header,
        offset: &mut u64,
        length: u64,
        samples: &mut Vec<Sample>,
    ) -> Result<(), VideoError> {
        let (_, flags, mut numbers) = run.numbers()?;
        let has = |flag: u32| flags & flag != 0;
        let count = numbers.u32()?;
        if has(0x1) {
            *offset = header.base.saturating_add_signed(numbers.i32()?.into());
        }
        if has(0x4) {
            numbers.skip(4)?; // flags of the first sample
        }
        for _ in 0..count {
            let Defaults { duration, size } = header.defaults;
            let duration = if has(0x100) { numbers.u32()? } else { duration };
            let size = if has(0x200) { numbers.u32()? } else { size };
            if has(0x400) {
                numbers.skip(4)?; // flags
            }
            let delay = if has(0x800) { numbers.i32()? } else { 0 };
            self.duration.get_or_insert(duration);
            samples.push(Sample {
                offset: *offset,
                size,
                time: self.decoded_at.saturating_add(delay.into()),
            });
            *offset = offset.saturating_add(size.into());
            self.decoded_at = self.decoded_at.saturating_add(duration.into());
            // A few bytes could claim any number of samples that have none.
            if *offset > length || size == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// What `tfhd` says.
struct Header {
    track: u32,
    /// What samples' offsets count from.
    base: u64,
    defaults: Defaults,
}

impl Header {
    fn read(header: Mp4Box, start: u64, defaults: Defaults) -> Result<Self, VideoError> {
        let (_, flags, mut numbers) = header.numbers()?;
        let has = |flag: u32| flags & flag != 0;
        let track = numbers.u32()?;
        let base = if has(0x1) { numbers.u64()? } else { start };
        if has(0x2) {
            numbers.skip(4)?; // which description
        }
        let Defaults { duration, size } = defaults;
        Ok(Self {
            track,
            base,
            defaults: Defaults {
                duration: if has(0x8) { numbers.u32()? } else { duration },
                size: if has(0x10) { numbers.u32()? } else { size },
            },
        })
    }
}
