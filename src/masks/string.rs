//! COCO's text of run lengths: each is a number in base 32, least digit first, a digit a character from '0' to
//! 'o', as pycocotools writes it.

use super::rle::{Rle, RleError};

/// What stands for 0.
const ZERO: u8 = b'0';
/// Bits of a digit.
const BITS: u32 = 5;
/// Set in a character after which the number goes on.
const GOES_ON: u8 = 1 << BITS;
/// In a number's last digit, that it is negative.
const NEGATIVE: u8 = 1 << (BITS - 1);
/// Digits of the longest number, a difference of two lengths of 32 bits.
const MOST_DIGITS: u32 = 7;

/// Runs that are written as the difference to the one before the last.
fn is_difference(index: usize) -> bool {
    index > 2
}

impl Rle {
    /// The text of the runs, COCO's `counts`.
    pub fn to_counts_string(&self) -> String {
        let counts = self.counts();
        let mut text = String::with_capacity(2 * counts.len());
        for (index, &count) in counts.iter().enumerate() {
            let mut rest = i64::from(count);
            if is_difference(index) {
                rest -= i64::from(counts[index - 2]);
            }
            loop {
                let digit = rest as u8 & (GOES_ON - 1);
                rest >>= BITS;
                let sign = if digit & NEGATIVE == 0 { 0 } else { -1 };
                if rest == sign {
                    text.push((ZERO + digit) as char);
                    break;
                }
                text.push((ZERO + (digit | GOES_ON)) as char);
            }
        }
        text
    }

    /// Of COCO's text of runs, for a picture of `size` (height, width) pixels.
    ///
    /// # Errors
    /// If the text is broken, and as [`from_counts`](Self::from_counts).
    pub fn from_counts_string(size: [usize; 2], text: &str) -> Result<Self, RleError> {
        let mut counts: Vec<u32> = Vec::new();
        let mut characters = text.char_indices();
        while let Some(number) = next_number(&mut characters)? {
            let index = counts.len();
            let length = match is_difference(index) {
                true => number + i64::from(counts[index - 2]),
                false => number,
            };
            counts.push(u32::try_from(length).map_err(|_| RleError::Length { index, length })?);
        }
        Self::from_counts(size, counts)
    }
}

/// The number that begins there; none at the end.
fn next_number(
    characters: &mut impl Iterator<Item = (usize, char)>,
) -> Result<Option<i64>, RleError> {
    let mut number = 0;
    let mut begin = None;
    for place in 0..MOST_DIGITS {
        let (index, found) = match (characters.next(), begin) {
            (Some(character), _) => character,
            (None, None) => return Ok(None),
            (None, Some(index)) => return Err(RleError::Number { index }),
        };
        begin = begin.or(Some(index));
        let value = u8::try_from(found).ok().and_then(|c| c.checked_sub(ZERO));
        let value = value.filter(|value| *value < 2 * GOES_ON);
        let value = value.ok_or(RleError::Character { index, found })?;
        number |= i64::from(value & (GOES_ON - 1)) << (BITS * place);
        if value & GOES_ON == 0 {
            let is_negative = value & NEGATIVE != 0;
            let above = if is_negative {
                -1 << (BITS * (place + 1))
            } else {
                0
            };
            return Ok(Some(number | above));
        }
    }
    Err(RleError::Number {
        index: begin.unwrap_or_default(),
    })
}
