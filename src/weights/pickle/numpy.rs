//! What a pickle of NumPy arrays calls.

use std::ops::Range;

use super::{Id, MOST_PARTS, Value};

/// A NumPy array.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::weights) struct Array {
    /// Its sides.
    pub shape: Vec<usize>,
    /// Name of its element type.
    pub dtype: Range<usize>,
    /// Whether its bytes are not little-endian.
    pub is_swapped: bool,
    /// Whether its first index runs fastest.
    pub is_fortran: bool,
    /// [`Value::Bytes`], [`Value::Latin1`], or a list of objects.
    pub data: Id,
}

/// What may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::weights) enum Global {
    /// `numpy.core.multiarray._reconstruct`.
    Reconstruct,
    /// `numpy.ndarray`.
    NdArray,
    /// `numpy.dtype`.
    Dtype,
    /// `_codecs.encode`.
    Encode,
}

pub(super) fn global(module: &str, name: &str) -> Option<Global> {
    match (module, name) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
            Some(Global::Reconstruct)
        }
        ("numpy", "ndarray") => Some(Global::NdArray),
        ("numpy", "dtype") => Some(Global::Dtype),
        ("_codecs", "encode") => Some(Global::Encode),
        _ => None,
    }
}

/// What a call makes.
pub(super) fn call(
    bytes: &[u8],
    values: &[Value],
    called: &Value,
    arguments: &[Id],
) -> Result<Value, String> {
    use super::Global::NumPy;

    // More are no array's, and a few calls would copy many.
    let arguments = arguments.iter().take(MOST_PARTS);
    let arguments: Vec<&Value> = arguments.map(|id| &values[*id]).collect();
    match (called, &arguments[..]) {
        (
            Value::Global(NumPy(Global::Reconstruct)),
            [Value::Global(NumPy(Global::NdArray)), Value::Sequence(_), _],
        ) => Ok(Value::Empty),
        (Value::Global(NumPy(Global::Dtype)), [Value::Text(name), ..]) => {
            Ok(Value::Dtype(name.clone(), false))
        }
        (Value::Global(NumPy(Global::Encode)), [Value::Text(text), Value::Text(encoding)])
            if matches!(&bytes[encoding.clone()], b"latin1" | b"latin-1") =>
        {
            Ok(Value::Latin1(text.clone()))
        }
        _ => Err("it calls something in a way that makes no array".to_owned()),
    }
}

/// What was made becomes when it is told its state.
pub(super) fn build(
    bytes: &[u8],
    values: &[Value],
    made: &Value,
    state: &Value,
) -> Result<Value, String> {
    let wrong = || "it fills an array with what is none".to_owned();
    let Value::Sequence(state) = state else {
        return Err(wrong());
    };
    let parts = state.iter().take(MOST_PARTS);
    let parts: Vec<&Value> = parts.map(|id| &values[*id]).collect();
    match (made, &parts[..]) {
        // Version, order of bytes, …
        (Value::Dtype(name, _), [Value::Integer(_), Value::Text(order), ..]) => {
            Ok(Value::Dtype(name.clone(), bytes[order.clone()] == *b">"))
        }
        // Version, shape, element type, order, values.
        (
            Value::Empty,
            [
                Value::Integer(_),
                Value::Sequence(shape),
                Value::Dtype(dtype, is_swapped),
                Value::Integer(is_fortran),
                _,
            ],
        ) if shape.len() <= MOST_PARTS => {
            let side = |id: &Id| match values[*id] {
                Value::Integer(side) => usize::try_from(side).ok(),
                _ => None,
            };
            let shape: Option<Vec<usize>> = shape.iter().map(side).collect();
            Ok(Value::Array(Array {
                shape: shape.ok_or_else(wrong)?,
                dtype: dtype.clone(),
                is_swapped: *is_swapped,
                is_fortran: *is_fortran != 0,
                data: state[4],
            }))
        }
        _ => Err(wrong()),
    }
}
