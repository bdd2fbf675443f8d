//! Boxes within boxes, and the numbers in them. Only the way to what is needed is walked, so that
//! oddities elsewhere in a file do no harm.

use crate::video::VideoError;

/// A box: its name and content.
#[derive(Clone, Copy)]
pub struct Mp4Box<'a> {
    pub name: [u8; 4],
    pub content: &'a [u8],
}

/// Boxes that lie side by side; the last is as long as there are bytes.
pub fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = Mp4Box<'_>> {
    std::iter::from_fn(move || {
        let head = Head::of(bytes)?;
        let rest = &bytes[head.length..];
        let size = head.content.and_then(|size| usize::try_from(size).ok());
        let size = size.unwrap_or(rest.len()).min(rest.len());
        let (content, after) = rest.split_at(size);
        bytes = after;
        Some(Mp4Box {
            name: head.name,
            content,
        })
    })
}

/// How a box begins.
pub struct Head {
    pub name: [u8; 4],
    /// Its own bytes.
    pub length: usize,
    /// Bytes that follow; none where the box reaches to the end of the file.
    pub content: Option<u64>,
}

impl Head {
    /// Most bytes of one.
    pub const MOST: usize = 16;

    /// None where the bytes do not suffice, or claim less than the head itself.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (name, rest) = rest.split_first_chunk()?;
        let (length, size) = match u32::from_be_bytes(*size) {
            0 => (8, None),
            1 => (16, Some(u64::from_be_bytes(*rest.first_chunk()?))),
            size => (8, Some(size.into())),
        };
        let content = match size {
            Some(size) => Some(size.checked_sub(length as u64)?),
            None => None,
        };
        Some(Self {
            name: *name,
            length,
            content,
        })
    }
}

/// The first box of this name.
pub fn find<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<Mp4Box<'a>> {
    boxes(bytes).find(|each| each.name == *name)
}

/// The content of the box that a path of names leads to; nothing where there is none.
pub fn find_in<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> &'a [u8] {
    let found = path
        .iter()
        .try_fold(bytes, |content, name| Some(find(content, name)?.content));
    found.unwrap_or_default()
}

/// The first box of this name, where a file cannot be understood without it.
pub fn require<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Result<Mp4Box<'a>, VideoError> {
    let missing = || VideoError::Broken(format!("it has no {}", name.escape_ascii()));
    find(bytes, name).ok_or_else(missing)
}

impl<'a> Mp4Box<'a> {
    /// Its numbers, after its version and flags.
    pub fn numbers(&self) -> Result<(u8, u32, Numbers<'a>), VideoError> {
        let mut numbers = Numbers {
            name: self.name,
            rest: self.content,
        };
        let word = numbers.u32()?;
        let [version, ..] = word.to_be_bytes();
        Ok((version, word & 0xFF_FFFF, numbers))
    }
}

/// Numbers one after the other, the highest byte first.
pub struct Numbers<'a> {
    name: [u8; 4],
    rest: &'a [u8],
}

impl<'a> Numbers<'a> {
    pub fn u32(&mut self) -> Result<u32, VideoError> {
        Ok(u32::from_be_bytes(self.bytes()?))
    }

    pub fn i32(&mut self) -> Result<i32, VideoError> {
        Ok(i32::from_be_bytes(self.bytes()?))
    }

    pub fn u64(&mut self) -> Result<u64, VideoError> {
        Ok(u64::from_be_bytes(self.bytes()?))
    }

    /// Of 64 bits where `is_long`, else of 32.
    pub fn long_or_short(&mut self, is_long: bool) -> Result<u64, VideoError> {
        match is_long {
            true => self.u64(),
            false => self.u32().map(u64::from),
        }
    }

    pub fn skip(&mut self, bytes: usize) -> Result<(), VideoError> {
        self.rest = self.rest.get(bytes..).ok_or_else(|| self.too_short())?;
        Ok(())
    }

    /// As many rows of `N` numbers of 32 bits as the next number says.
    pub fn rows<const N: usize>(mut self) -> Result<Vec<[u32; N]>, VideoError> {
        let count = self.u32()?;
        let row = |_| -> Result<[u32; N], VideoError> {
            let mut row = [0; N];
            for number in &mut row {
                *number = self.u32()?;
            }
            Ok(row)
        };
        // A count that is too large ends in an error before it takes memory.
        (0..count).map(row).collect()
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], VideoError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.too_short())?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn too_short(&self) -> VideoError {
        VideoError::Broken(format!("its {} is too short", self.name.escape_ascii()))
    }
}
