//! What a pickle of `torch.save` calls, and how it says where numbers lie.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Id, MOST_PARTS, Value, text};

/// A row of numbers that lies beside the pickle.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::weights) struct Storage {
    /// Its name in the archive.
    pub key: Range<usize>,
    /// What its numbers are.
    pub numbers: Numbers,
    /// How many it holds, as the pickle says.
    pub count: usize,
    /// Those of them that this is a view of: usually all.
    pub view: Range<usize>,
}

/// A tensor: which numbers of a storage it is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::weights) struct Tensor {
    /// [`Value::Storage`].
    pub storage: Id,
    /// The first number's place.
    pub offset: usize,
    /// Its sides.
    pub shape: Vec<usize>,
    /// From a number to the next along each side.
    pub strides: Vec<usize>,
}

/// What a storage's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::weights) struct Numbers {
    /// Their usual short name.
    pub name: &'static str,
    /// Bytes of one.
    pub size: usize,
}

/// What may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::weights) enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `set` and `frozenset`.
    Set,
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter` and `_rebuild_parameter_with_state`.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`.
    RebuildFromType,
    /// `torch.FloatStorage` and its like.
    Storage(Numbers),
}

pub(super) fn global(module: &str, name: &str) -> Option<Global> {
    match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("builtins" | "__builtin__", "set" | "frozenset") => Some(Global::Set),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
            Some(Global::RebuildParameter)
        }
        ("torch._tensor", "_rebuild_from_type_v2") => Some(Global::RebuildFromType),
        ("torch", name) => numbers(name).map(Global::Storage),
        _ => None,
    }
}

fn numbers(storage: &str) -> Option<Numbers> {
    let (name, size) = match storage {
        "HalfStorage" => ("f16", 2),
        "BFloat16Storage" => ("bf16", 2),
        "FloatStorage" => ("f32", 4),
        "DoubleStorage" => ("f64", 8),
        "LongStorage" => ("i64", 8),
        "IntStorage" => ("i32", 4),
        "ShortStorage" => ("i16", 2),
        "CharStorage" => ("i8", 1),
        "ByteStorage" => ("u8", 1),
        "BoolStorage" => ("bool", 1),
        _ => return None,
    };
    Some(Numbers { name, size })
}

/// What a call comes to.
pub(super) enum Made {
    /// A value that there is already.
    Known(Id),
    /// A value of its own.
    New(Value),
}

/// What a call makes: an object that means nothing where it is not known.
///
/// # Errors
/// If it makes something of a tensor that is no plain tensor, or makes one wrongly.
pub(super) fn call(
    bytes: &[u8],
    values: &[Value],
    called: &Value,
    arguments: &[Id],
) -> Result<Made, String> {
    let Value::Global(super::Global::Torch(global)) = called else {
        return match called {
            Value::Unknown(module, name) if are_of_tensors(values, arguments) => Err(format!(
                "it makes something of a tensor by {}.{}, which is none of the ways that plain tensors are made by",
                text(bytes, module).escape_debug(),
                text(bytes, name).escape_debug()
            )),
            _ => Ok(Made::New(object(called))),
        };
    };
    match (global, arguments) {
        (Global::OrderedDict, []) => Ok(Made::New(Value::Dict(Vec::new()))),
        (Global::OrderedDict, [pairs]) => ordered_dict(values, *pairs).map(Made::New),
        (Global::Set, []) => Ok(Made::New(Value::Sequence(Vec::new()))),
        (Global::Set, [items]) => Ok(Made::Known(*items)),
        // What comes behind them is told of gradients, or nothing.
        (Global::RebuildParameter, [data, ..]) => Ok(Made::Known(*data)),
        (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
            tensor(values, [*storage, *offset, *shape, *strides]).map(Made::New)
        }
        // The function, the tensor's own type, the function's arguments, …
        (Global::RebuildFromType, [function, _, inner, ..]) => {
            match (&values[*function], &values[*inner]) {
                (
                    function @ Value::Global(super::Global::Torch(Global::RebuildTensor)),
                    Value::Sequence(inner),
                ) => call(bytes, values, function, inner),
                _ => Err("it makes a tensor of a type of its own in an unknown way".to_owned()),
            }
        }
        _ => Err("it makes a tensor or a dict of too few or too many parts".to_owned()),
    }
}

/// What a call makes that means nothing here.
pub(super) fn object(called: &Value) -> Value {
    Value::Object(match called {
        Value::Unknown(module, name) => Some((module.clone(), name.clone())),
        _ => None,
    })
}

/// Whether there are tensors among a call's arguments, or in those that are sequences.
fn are_of_tensors(values: &[Value], arguments: &[Id]) -> bool {
    let is_of_tensor = |id: &Id| matches!(values[*id], Value::Storage(_) | Value::Tensor(_));
    arguments
        .iter()
        .take(MOST_PARTS)
        .any(|id| match &values[*id] {
            Value::Sequence(items) => items.iter().take(MOST_PARTS).any(is_of_tensor),
            _ => is_of_tensor(id),
        })
}

/// Of key and value in pairs.
fn ordered_dict(values: &[Value], pairs: Id) -> Result<Value, String> {
    let wrong = || "it makes a dict of what are no pairs".to_owned();
    let Value::Sequence(pairs) = &values[pairs] else {
        return Err(wrong());
    };
    let entries = pairs.iter().map(|pair| match &values[*pair] {
        Value::Sequence(pair) => match pair[..] {
            [key, value] => Ok((key, value)),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    });
    entries.collect::<Result<_, _>>().map(Value::Dict)
}

fn tensor(values: &[Value], [storage, offset, shape, strides]: [Id; 4]) -> Result<Value, String> {
    let wrong =
        || "it makes a tensor of something else than a storage, a place and sides".to_owned();
    let numbers = |id: Id| match &values[id] {
        Value::Sequence(sides) if sides.len() <= MOST_PARTS => sides
            .iter()
            .map(|id| number(values, *id))
            .collect::<Option<Vec<_>>>(),
        _ => None,
    };
    if !matches!(values[storage], Value::Storage(_)) {
        return Err(wrong());
    }
    Ok(Value::Tensor(Tensor {
        storage,
        offset: number(values, offset).ok_or_else(wrong)?,
        shape: numbers(shape).ok_or_else(wrong)?,
        strides: numbers(strides).ok_or_else(wrong)?,
    }))
}

/// What a persistent id means: `('storage', type, key, device, count)`. Files before version 0.4 may have a view of it
/// behind: `(key, first, count)`.
pub(super) fn persistent(bytes: &[u8], values: &[Value], id: Id) -> Result<Value, String> {
    let wrong = || "it refers to something else than a storage".to_owned();
    let Value::Sequence(parts) = &values[id] else {
        return Err(wrong());
    };
    let parts = parts.iter().take(MOST_PARTS);
    let parts: Vec<&Value> = parts.map(|id| &values[*id]).collect();
    let (numbers, key, count, view) = match &parts[..] {
        [
            Value::Text(kind),
            Value::Global(super::Global::Torch(Global::Storage(numbers))),
            Value::Text(key),
            _,
            Value::Integer(count),
            view @ ..,
        ] if text(bytes, kind) == "storage" => (*numbers, key.clone(), *count, view),
        [Value::Text(_), Value::Unknown(module, name), ..] => {
            return Err(format!(
                "it refers to a storage of {}.{}, which is of no known kind of numbers",
                text(bytes, module).escape_debug(),
                text(bytes, name).escape_debug()
            ));
        }
        _ => return Err(wrong()),
    };
    let count = usize::try_from(count).map_err(|_| wrong())?;
    let view = match view {
        [] | [Value::Other] => 0..count,
        [Value::Sequence(view)] => match view[..] {
            [_, first, length] => {
                let number = |id| number(values, id).ok_or_else(wrong);
                let (first, length) = (number(first)?, number(length)?);
                let end = first.checked_add(length).filter(|end| *end <= count);
                first..end.ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    Ok(Value::Storage(Storage {
        key,
        numbers,
        count,
        view,
    }))
}

fn number(values: &[Value], id: Id) -> Option<usize> {
    match values[id] {
        Value::Integer(number) => usize::try_from(number).ok(),
        _ => None,
    }
}

/// The tables in which a module keeps what its state dict holds.
const TABLES: [&str; 3] = ["_parameters", "_buffers", "_modules"];

/// What an object becomes that is told its state: of a module, which `torch.save` may keep as a whole, its
/// state dict; none where it stays as it is.
///
/// # Errors
/// If a module has two values of a name.
pub(super) fn build(
    bytes: &[u8],
    values: &[Value],
    made: &Value,
    state: &Value,
) -> Result<Option<Value>, String> {
    let (Value::Object(_), Value::Dict(state)) = (made, state) else {
        return Ok(None);
    };
    let entry = |name: &str| {
        let mut entries = state.iter();
        let entry = entries.rfind(|(key, _)| match &values[*key] {
            Value::Text(key) => text(bytes, key) == name,
            _ => false,
        });
        entry.map(|(_, value)| &values[*value])
    };
    let table = |name| match entry(name) {
        Some(Value::Dict(entries)) => Some(entries),
        _ => None,
    };
    let Some([parameters, buffers, modules]) = TABLES
        .map(table)
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .and_then(|tables| <[_; 3]>::try_from(tables).ok())
    else {
        return Ok(None);
    };
    let name = |id: Id| match &values[id] {
        Value::Text(name) => Some(text(bytes, name)),
        _ => None,
    };
    let transient: BTreeSet<&str> = match entry("_non_persistent_buffers_set") {
        Some(Value::Sequence(names)) => names.iter().filter_map(|id| name(*id)).collect(),
        _ => BTreeSet::new(),
    };
    let kept = buffers.iter();
    let kept = kept.filter(|(key, _)| name(*key).is_none_or(|name| !transient.contains(name)));
    let entries = parameters.iter().chain(kept).chain(modules);
    let entries = entries.filter(|(_, value)| !matches!(values[*value], Value::Other));
    let entries: Vec<(Id, Id)> = entries.copied().collect();
    let mut names = BTreeSet::new();
    match entries.iter().find(|(key, _)| !names.insert(name(*key))) {
        Some((key, _)) => Err(format!(
            "a module in it has two values of the name '{}'",
            name(*key).unwrap_or_default().escape_debug()
        )),
        None => Ok(Some(Value::Dict(entries))),
    }
}
