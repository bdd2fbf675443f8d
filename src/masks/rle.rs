//! COCO's masks: run lengths, down the columns.

use std::ops::Range;

use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::runs::Runs;

/// Farthest that a polygon's corner may be from the picture's, in pixels: pycocotools counts steps in 32 bits.
pub(super) const FARTHEST_CORNER: f64 = 429_496_729.0;

/// Farthest that a box's edge may be from the picture's corner, in pixels: then whole numbers hold it.
pub(super) const FARTHEST_EDGE: f32 = 1e9;

/// A mask in COCO's run-length encoding (Lin et al., 2014, <https://arxiv.org/abs/1405.0312>). Two are equal if
/// their pixels are.
///
/// As JSON it is `{"size": [height, width], "counts": "…"}` with the runs as pycocotools' text; a list of the
/// runs' lengths is read, too.
///
/// ```
/// use fpn_wgpu::masks::Rle;
///
/// // The left half of a picture 4 pixels wide and 2 high.
/// let mask = Rle::from_counts([2, 4], [0, 4, 4])?;
/// assert_eq!(mask.area(), 4);
/// assert_eq!(mask.bbox(), Some([0, 0, 2, 2]));
/// assert_eq!(mask.to_counts_string(), "044");
/// # Ok::<(), fpn_wgpu::masks::RleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rle {
    /// Height, width.
    size: [usize; 2],
    /// They sum to the pixels, and none but the first is 0.
    counts: Vec<u32>,
}

/// Why something is no mask, or two do not go together. Each goes on a sentence that begins with what it is about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RleError {
    /// No pixels, or too many for COCO's numbers.
    #[error("has {width} × {height} pixels, expected 1 to 4294967295 in all")]
    Size {
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
    },
    /// Runs that are not of a picture of this size.
    #[error("has runs over {found} pixels, expected {width} × {height}")]
    Pixels {
        /// Sum of the runs, up to where there are too many.
        found: u64,
        /// Of the picture, in pixels.
        width: usize,
        /// Of the picture, in pixels.
        height: usize,
    },
    /// A run of less than 0 pixels, or of more than can be.
    #[error("has run {index} of {length} pixels, expected 0 to 4294967295")]
    Length {
        /// Which run, from 0.
        index: usize,
        /// In pixels.
        length: i64,
    },
    /// A text with something in it that stands for nothing.
    #[error("has {found:?} as character {index} of its runs, expected one of '0' to 'o'")]
    Character {
        /// Which byte, from 0.
        index: usize,
        /// What is there.
        found: char,
    },
    /// A text that ends within a number, or has one of too many digits.
    #[error("has a broken number in its runs, at character {index}")]
    Number {
        /// Where the number begins, in bytes from 0.
        index: usize,
    },
    /// Another number of values than of pixels.
    #[error("has {found} values, expected {height} × {width}")]
    Values {
        /// How many there are.
        found: usize,
        /// Of the mask, in pixels.
        height: usize,
        /// Of the mask, in pixels.
        width: usize,
    },
    /// A polygon of fewer than three corners, or half a corner.
    #[error("has a polygon of {numbers} numbers, expected 6 or more in pairs")]
    Polygon {
        /// How many it has.
        numbers: usize,
    },
    /// A polygon's corner that is in no picture.
    #[error("has a polygon with a corner at {x}, {y}, expected numbers within ±{limit}", limit = FARTHEST_CORNER)]
    Corner {
        /// In pixels.
        x: f64,
        /// In pixels.
        y: f64,
    },
    /// A box that is in no picture.
    #[error("has the box {bbox:?}, expected numbers within ±{limit}", limit = FARTHEST_EDGE)]
    Box {
        /// `[x1, y1, x2, y2]` in pixels.
        bbox: [f32; 4],
    },
    /// Two masks of pictures of different size.
    #[error("is of a picture of {} × {} pixels, the other of {} × {}", .sizes[0][1], .sizes[0][0], .sizes[1][1], .sizes[1][0])]
    Sizes {
        /// Height and width of each.
        sizes: [[usize; 2]; 2],
    },
}

impl Rle {
    /// Of run lengths: pixels without the object, then with it, and so on, from the top down and from the left
    /// column to the right. `size` is height and width.
    ///
    /// # Errors
    /// If a picture has no pixels or more than 2³² − 1, or the runs do not sum to them.
    pub fn from_counts(
        size: [usize; 2],
        counts: impl IntoIterator<Item = u32>,
    ) -> Result<Self, RleError> {
        let pixels = pixels(size)?;
        let [height, width] = size;
        let mut found = 0;
        let mut runs = Runs::default();
        for (index, count) in counts.into_iter().enumerate() {
            found += u64::from(count);
            if found > u64::from(pixels) {
                break;
            }
            runs.push(index % 2 == 1, count);
        }
        match found == u64::from(pixels) {
            true => Ok(Self::from_runs(size, runs)),
            false => Err(RleError::Pixels {
                found,
                width,
                height,
            }),
        }
    }

    /// Of a picture's pixels, row by row: whether each belongs to the object.
    ///
    /// # Errors
    /// If there are none or more than 2³² − 1, or not as many as `size` (height, width) says.
    pub fn from_bitmap(size: [usize; 2], bitmap: &[bool]) -> Result<Self, RleError> {
        let [height, width] = size;
        if pixels(size)? as usize != bitmap.len() {
            return Err(RleError::Values {
                found: bitmap.len(),
                height,
                width,
            });
        }
        let mut runs = Runs::default();
        for x in 0..width {
            for row in bitmap.chunks_exact(width) {
                runs.push(row[x], 1);
            }
        }
        Ok(Self::from_runs(size, runs))
    }

    /// The runs cover the picture.
    pub(super) fn from_runs(size: [usize; 2], runs: Runs) -> Self {
        Self {
            size,
            counts: runs.into_counts(),
        }
    }

    /// Of those pixels, in ascending order, that lie in one of the ranges; pixels are counted down the columns.
    pub(super) fn from_ranges(
        size: [usize; 2],
        ranges: impl IntoIterator<Item = Range<u32>>,
    ) -> Result<Self, RleError> {
        let pixels = pixels(size)?;
        let mut runs = Runs::default();
        let mut end = 0;
        for range in ranges {
            runs.push(false, range.start.saturating_sub(end));
            runs.push(true, range.end.saturating_sub(range.start.max(end)));
            end = end.max(range.end);
        }
        runs.push(false, pixels - end);
        Ok(Self::from_runs(size, runs))
    }

    /// Height and width of the picture, in pixels.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The lengths of the runs, without the object first. None but the first is 0.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The runs of the object, as ranges of pixels that are counted down the columns: pixel `[x, y]` is number
    /// `x · height + y`.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u32>> {
        let (pairs, _) = self.counts.as_chunks();
        pairs.iter().scan(0, |end, [without, with]| {
            let start = *end + without;
            *end = start + with;
            Some(start..*end)
        })
    }

    /// The object's pixels.
    pub fn area(&self) -> usize {
        self.ranges().map(|range| range.len()).sum()
    }

    /// `[x1, y1, x2, y2]` of the object in pixels, `x2` and `y2` exclusive; none if it has none.
    pub fn bbox(&self) -> Option<[usize; 4]> {
        let [height, _] = self.size;
        let mut bbox: Option<[usize; 4]> = None;
        for range in self.ranges() {
            let [first, last] = [range.start, range.end - 1].map(|pixel| pixel as usize);
            let [x1, x2] = [first / height, last / height + 1];
            let [y1, y2] = match x2 - x1 {
                1 => [first % height, last % height + 1],
                _ => [0, height],
            };
            bbox = Some(match bbox {
                None => [x1, y1, x2, y2],
                Some(old) => [old[0], old[1].min(y1), x2, old[3].max(y2)],
            });
        }
        bbox
    }

    /// The picture's pixels, row by row: whether each belongs to the object.
    pub fn to_bitmap(&self) -> Vec<bool> {
        let [height, width] = self.size;
        let mut bitmap = vec![false; height * width];
        for pixel in self.ranges().flatten() {
            let pixel = pixel as usize;
            bitmap[pixel % height * width + pixel / height] = true;
        }
        bitmap
    }
}

/// A picture's pixels.
pub(super) fn pixels([height, width]: [usize; 2]) -> Result<u32, RleError> {
    let pixels = height.checked_mul(width);
    match pixels.map(u32::try_from) {
        Some(Ok(pixels)) if pixels > 0 => Ok(pixels),
        _ => Err(RleError::Size { width, height }),
    }
}

impl Serialize for Rle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Rle", 2)?;
        fields.serialize_field("size", &self.size)?;
        fields.serialize_field("counts", &self.to_counts_string())?;
        fields.end()
    }
}

/// A mask in JSON, its runs unread.
#[derive(Clone, Debug, Deserialize)]
pub struct RleFields {
    size: [usize; 2],
    counts: Counts,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "counts are neither text nor a list of lengths")]
enum Counts {
    Text(String),
    List(Vec<u32>),
}

impl RleFields {
    /// The mask.
    ///
    /// # Errors
    /// As [`Rle::from_counts`] and [`Rle::from_counts_string`].
    pub fn mask(&self) -> Result<Rle, RleError> {
        match &self.counts {
            Counts::Text(text) => Rle::from_counts_string(self.size, text),
            Counts::List(list) => Rle::from_counts(self.size, list.iter().copied()),
        }
    }
}

impl<'de> Deserialize<'de> for Rle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mask = RleFields::deserialize(deserializer)?.mask();
        mask.map_err(|error| D::Error::custom(format_args!("a mask {error}")))
    }
}
