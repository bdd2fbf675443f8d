//! Where in a file its pictures are.

/// One compressed picture.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Where it begins in the file.
    pub offset: u64,
    /// In bytes.
    pub size: u32,
    /// When it is shown, in units since the first.
    pub time: i64,
}
