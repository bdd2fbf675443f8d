//! Python pickles of plain values, NumPy arrays and PyTorch's tensors. Nothing is executed: a call is only looked at
//! where it is one of the few that stand for an array, a tensor or a plain container.

mod machine;
mod numpy;
mod torch;

use std::collections::BTreeMap;
use std::ops::Range;

pub(super) use numpy::Array;
pub(super) use torch::{Numbers, Storage, Tensor};

/// Most sides of an array, arguments of a call and parts of a state that are looked at.
const MOST_PARTS: usize = 8;

/// Index of a value. Values refer to each other by it, so that those in each other end no stack.
pub(super) type Id = usize;

/// Whose calls a pickle makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Those of detectron2's model zoo. Any other is refused.
    NumPy,
    /// Those of `torch.save`. What others make is passed over.
    Torch,
}

/// A value of a pickle; texts and bytes lie in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `None`, a truth value or a float, of which nothing is needed.
    Other,
    /// A whole number that fits.
    Integer(i64),
    /// UTF-8.
    Text(Range<usize>),
    /// Bytes as they are.
    Bytes(Range<usize>),
    /// Bytes that protocol 2 writes as UTF-8 text, a character a byte.
    Latin1(Range<usize>),
    /// A tuple, a list or a set.
    Sequence(Vec<Id>),
    /// A dict, in its order.
    Dict(Vec<(Id, Id)>),
    /// Something that can be called.
    Global(Global),
    /// Something that can be called and means nothing here: its module and name.
    Unknown(Range<usize>, Range<usize>),
    /// What such a call made; the call's module and name if it has one.
    Object(Option<(Range<usize>, Range<usize>)>),
    /// An element type, by NumPy's name, and whether its bytes are swapped.
    Dtype(Range<usize>, bool),
    /// An array that is not yet filled.
    Empty,
    /// A NumPy array.
    Array(Array),
    /// Where a tensor's numbers lie.
    Storage(Storage),
    /// A tensor of PyTorch's.
    Tensor(Tensor),
}

/// What may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    NumPy(numpy::Global),
    Torch(torch::Global),
}

/// A pickle that was read.
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    root: Id,
    end: usize,
}

impl<'a> Pickle<'a> {
    /// The pickle that begins at a place in a file.
    ///
    /// # Errors
    /// If it is cut short, or holds more or something else than its dialect knows, in words.
    pub fn read(bytes: &'a [u8], start: usize, dialect: Dialect) -> Result<Self, String> {
        machine::read(bytes, start, dialect)
    }

    /// Where it ends in the file.
    pub fn end(&self) -> usize {
        self.end
    }

    /// All values, in the order in which they are in the file.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value that all others are in.
    pub fn root(&self) -> Id {
        self.root
    }

    /// A value.
    pub fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// A text's characters.
    pub fn text(&self, range: &Range<usize>) -> &'a str {
        text(self.bytes, range)
    }

    /// A dict's entries by their keys, those that are texts.
    pub fn entries(&self, dict: &[(Id, Id)]) -> BTreeMap<&'a str, Id> {
        let entries = dict
            .iter()
            .filter_map(|(key, value)| match &self.values[*key] {
                Value::Text(range) => Some((self.text(range), *value)),
                _ => None,
            });
        entries.collect()
    }
}

/// The characters of a text that a pickle in `bytes` has.
fn text<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a str {
    std::str::from_utf8(&bytes[range.clone()]).expect("it was looked at when it was read")
}
