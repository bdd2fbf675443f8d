//! The tables that list the samples of a track, in the content of `stbl`.

use std::iter::{repeat, repeat_n};

use super::boxes::{Mp4Box, find, require};
use super::sample::Sample;
use crate::video::VideoError;

/// How long each sample is shown, in units of time: counts, and durations of so many.
pub fn durations(tables: &[u8]) -> Result<Vec<[u32; 2]>, VideoError> {
    require(tables, b"stts")?.numbers()?.2.rows()
}

/// The samples that the tables list, as far as the file reaches, and the first beyond its end.
pub fn samples(
    tables: &[u8],
    durations: &[[u32; 2]],
    length: u64,
) -> Result<Vec<Sample>, VideoError> {
    let mut sizes = sizes(require(tables, b"stsz")?)?;
    let mut delays = delays(find(tables, b"ctts"))?;
    let durations = durations.iter();
    let mut durations = durations
        .flat_map(|[count, duration]| repeat_n(*duration, *count as usize))
        .chain(repeat(0));
    let runs: Vec<[u32; 3]> = require(tables, b"stsc")?.numbers()?.2.rows()?;

    let mut samples = Vec::new();
    let mut decoded_at = 0_i64;
    for (chunk, mut offset) in (1..).zip(chunks(tables)?) {
        for _ in 0..samples_in(&runs, chunk) {
            let Some(size) = sizes.next() else {
                return Ok(samples);
            };
            samples.push(Sample {
                offset,
                size,
                time: decoded_at.saturating_add(delays.next().unwrap_or(0)),
            });
            offset = offset.saturating_add(size.into());
            decoded_at += i64::from(durations.next().unwrap_or(0));
            if offset > length {
                return Ok(samples);
            }
        }
    }
    Ok(samples)
}

fn sizes(table: Mp4Box) -> Result<Box<dyn Iterator<Item = u32>>, VideoError> {
    let (_, _, mut numbers) = table.numbers()?;
    Ok(match numbers.u32()? {
        0 => Box::new(numbers.rows::<1>()?.into_iter().flatten()),
        size => Box::new(repeat_n(size, numbers.u32()? as usize)),
    })
}

/// How much later than it is decoded each sample is shown. Where the table is unsigned, some writers
/// mean signed numbers all the same.
fn delays(table: Option<Mp4Box>) -> Result<impl Iterator<Item = i64>, VideoError> {
    let rows = match table {
        Some(table) => table.numbers()?.2.rows::<2>()?,
        None => Vec::new(),
    };
    let told = rows
        .into_iter()
        .flat_map(|[count, delay]| repeat_n(delay.cast_signed().into(), count as usize));
    Ok(told.chain(repeat(0)))
}

/// Where each chunk of samples begins in the file.
fn chunks(tables: &[u8]) -> Result<Vec<u64>, VideoError> {
    if let Some(table) = find(tables, b"stco") {
        let rows = table.numbers()?.2.rows::<1>()?;
        return Ok(rows.into_iter().flatten().map(u64::from).collect());
    }
    let rows = require(tables, b"co64")?.numbers()?.2.rows::<2>()?;
    let joined = |[high, low]: [u32; 2]| u64::from(high) << 32 | u64::from(low);
    Ok(rows.into_iter().map(joined).collect())
}

/// How many samples a chunk has, by runs of first chunk, samples and description; the first chunk has
/// number 1.
fn samples_in(runs: &[[u32; 3]], chunk: u32) -> u32 {
    let after = runs.partition_point(|[first, ..]| *first <= chunk);
    let run = after.checked_sub(1).map(|run| runs[run]);
    run.map_or(0, |[_, samples, _]| samples)
}
