//! Python pickles of plain values and NumPy arrays. Nothing is executed: a call is only looked at where it
//! is one of the few that stand for an array.

use std::collections::BTreeMap;
use std::ops::Range;

/// Most values of a file, so that its memory is bounded by more than its length. A checkpoint has a few
/// for each tensor.
const MOST_VALUES: usize = 1 << 20;

/// Most sides of an array, arguments of a call and parts of a state that are looked at.
const MOST_PARTS: usize = 8;

/// Index of a value. Values refer to each other by it, so that those in each other end no stack.
pub(super) type Id = usize;

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
    /// A tuple or a list.
    Sequence(Vec<Id>),
    /// A dict, in its order.
    Dict(Vec<(Id, Id)>),
    /// Something that can be called.
    Global(Global),
    /// An element type, by NumPy's name, and whether its bytes are swapped.
    Dtype(Range<usize>, bool),
    /// An array that is not yet filled.
    Empty,
    /// An array.
    Array(Array),
}

/// A NumPy array.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
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
pub(super) enum Global {
    /// `numpy.core.multiarray._reconstruct`.
    Reconstruct,
    /// `numpy.ndarray`.
    NdArray,
    /// `numpy.dtype`.
    Dtype,
    /// `_codecs.encode`.
    Encode,
}

impl Global {
    fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Some(Self::Reconstruct)
            }
            ("numpy", "ndarray") => Some(Self::NdArray),
            ("numpy", "dtype") => Some(Self::Dtype),
            ("_codecs", "encode") => Some(Self::Encode),
            _ => None,
        }
    }
}

/// A pickle that was read.
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// # Errors
    /// If it is cut short, or holds more or something else than arrays in plain containers, in words.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
        }
        .run()
    }

    /// The value that all others are in.
    pub fn root(&self) -> &Value {
        &self.values[self.root]
    }

    /// A value.
    pub fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// A text's characters.
    pub fn text(&self, range: &Range<usize>) -> &'a str {
        std::str::from_utf8(&self.bytes[range.clone()]).expect("it was looked at when it was read")
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

/// What reads a pickle, an instruction after the other.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

type Outcome<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(mut self) -> Outcome<Pickle<'a>> {
        loop {
            let opcode = self.byte()?;
            if opcode == b'.' {
                let root = self.pop()?;
                return Ok(Pickle {
                    bytes: self.bytes,
                    values: self.values,
                    root,
                });
            }
            self.step(opcode)?;
        }
    }

    /// One instruction, by the names of Python's `pickletools`.
    fn step(&mut self, opcode: u8) -> Outcome<()> {
        match opcode {
            // PROTO, FRAME
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            // MARK, POP, POP_MARK
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            // NONE, NEWTRUE, NEWFALSE, BINFLOAT
            b'N' => self.push(Value::Other),
            0x88 => self.push(Value::Integer(1)),
            0x89 => self.push(Value::Integer(0)),
            b'G' => {
                self.take(8)?;
                self.push(Value::Other)
            }
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let number = self.number(4)? as u32;
                self.push(Value::Integer(number.cast_signed().into()))
            }
            b'K' => self.integer(1),
            b'M' => self.integer(2),
            0x8a => self.long(),
            // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
            0x8c => self.text(1),
            b'X' => self.text(4),
            0x8d => self.text(8),
            // SHORT_BINBYTES, BINBYTES, BINBYTES8
            b'C' => self.raw(1),
            b'B' => self.raw(4),
            0x8e => self.raw(8),
            // EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE
            b'}' => self.push(Value::Dict(Vec::new())),
            b']' | b')' => self.push(Value::Sequence(Vec::new())),
            // TUPLE, TUPLE1, TUPLE2, TUPLE3
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Sequence(items))
            }
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84)),
            // SETITEM, SETITEMS, APPEND, APPENDS
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => self.put(1),
            b'r' => self.put(4),
            0x94 => {
                let index = self.memo.len() as u32;
                let top = self.top()?;
                self.memo.insert(index, top);
                Ok(())
            }
            b'h' => self.get(1),
            b'j' => self.get(4),
            // GLOBAL, STACK_GLOBAL, REDUCE, BUILD
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)
            }
            0x93 => {
                let names = self.pop_many(2)?;
                let [module, name] = [names[0], names[1]].map(|id| self.text_of(id));
                self.global(module?, name?)
            }
            b'R' => self.reduce(),
            b'b' => self.build(),
            _ => Err(format!(
                "instruction {opcode:#04x} at byte {} is none of those that dicts and arrays take",
                self.at - 1
            )),
        }
    }

    fn take(&mut self, count: usize) -> Outcome<Range<usize>> {
        let end = self.at.checked_add(count);
        let end = end.filter(|end| *end <= self.bytes.len());
        let range = self.at..end.ok_or("it is cut short")?;
        self.at = range.end;
        Ok(range)
    }

    fn byte(&mut self) -> Outcome<u8> {
        let range = self.take(1)?;
        Ok(self.bytes[range.start])
    }

    /// A number of so many bytes, the lowest first.
    fn number(&mut self, bytes: usize) -> Outcome<u64> {
        let range = self.take(bytes)?;
        let bytes = self.bytes[range].iter().rev();
        Ok(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// As many bytes as a number of `length` bytes in front of them says.
    fn counted(&mut self, length: usize) -> Outcome<Range<usize>> {
        let count = self.number(length)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Outcome<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..end.ok_or("it is cut short")?];
        self.at += line.len() + 1;
        std::str::from_utf8(line).map_err(|_| "a name in it is no text".to_owned())
    }

    fn push(&mut self, value: Value) -> Outcome<()> {
        if self.values.len() >= MOST_VALUES {
            return Err(format!("it holds more than {MOST_VALUES} values"));
        }
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
        Ok(())
    }

    fn top(&self) -> Outcome<Id> {
        let least = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > least {
            true => Ok(self.stack[self.stack.len() - 1]),
            false => Err("it takes a value that is not there".to_owned()),
        }
    }

    fn pop(&mut self) -> Outcome<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The topmost values, the lowest first.
    fn pop_many(&mut self, count: usize) -> Outcome<Vec<Id>> {
        let popped: Outcome<Vec<Id>> = (0..count).map(|_| self.pop()).collect();
        popped.map(|mut items| {
            items.reverse();
            items
        })
    }

    fn pop_to_mark(&mut self) -> Outcome<Vec<Id>> {
        let mark = self
            .marks
            .pop()
            .ok_or("it takes a mark that is not there")?;
        Ok(self.stack.split_off(mark))
    }

    fn integer(&mut self, bytes: usize) -> Outcome<()> {
        let number = self.number(bytes)?;
        self.push(Value::Integer(number as i64))
    }

    /// Of any length; what does not fit is nothing that is needed.
    fn long(&mut self) -> Outcome<()> {
        let range = self.counted(1)?;
        let bytes = &self.bytes[range];
        if bytes.len() > 8 {
            return self.push(Value::Other);
        }
        let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut number = [if is_negative { 0xff } else { 0 }; 8];
        number[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Integer(i64::from_le_bytes(number)))
    }

    fn text(&mut self, length: usize) -> Outcome<()> {
        let range = self.counted(length)?;
        match std::str::from_utf8(&self.bytes[range.clone()]) {
            Ok(_) => self.push(Value::Text(range)),
            Err(_) => Err("a text in it is no UTF-8".to_owned()),
        }
    }

    fn raw(&mut self, length: usize) -> Outcome<()> {
        let range = self.counted(length)?;
        self.push(Value::Bytes(range))
    }

    fn tuple(&mut self, count: usize) -> Outcome<()> {
        let items = self.pop_many(count)?;
        self.push(Value::Sequence(items))
    }

    fn set_items(&mut self, items: &[Id]) -> Outcome<()> {
        let (pairs, rest) = items.as_chunks::<2>();
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Dict(entries) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => Err("it sets entries of what is no dict".to_owned()),
        }
    }

    fn append(&mut self, added: Vec<Id>) -> Outcome<()> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Sequence(items) => {
                items.extend(added);
                Ok(())
            }
            _ => Err("it appends to what is no list".to_owned()),
        }
    }

    fn put(&mut self, bytes: usize) -> Outcome<()> {
        let index = self.number(bytes)? as u32;
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, bytes: usize) -> Outcome<()> {
        let index = self.number(bytes)? as u32;
        let known = self.memo.get(&index).copied();
        self.stack
            .push(known.ok_or("it refers to a value that is not there")?);
        Ok(())
    }

    fn text_of(&self, id: Id) -> Outcome<&'a str> {
        match &self.values[id] {
            Value::Text(range) => Ok(std::str::from_utf8(&self.bytes[range.clone()])
                .expect("it was looked at when it was read")),
            _ => Err("a name in it is no text".to_owned()),
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Outcome<()> {
        match Global::named(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(format!(
                "it uses {}.{}, which is nothing that dicts and arrays take",
                module.escape_debug(),
                name.escape_debug()
            )),
        }
    }

    /// A call.
    fn reduce(&mut self) -> Outcome<()> {
        let call = self.pop_many(2)?;
        let Value::Sequence(arguments) = &self.values[call[1]] else {
            return Err("it calls something with no arguments".to_owned());
        };
        // More are no array's, and a few calls would copy many.
        let arguments = arguments.iter().take(MOST_PARTS);
        let arguments: Vec<&Value> = arguments.map(|id| &self.values[*id]).collect();
        let made = match (&self.values[call[0]], &arguments[..]) {
            (
                Value::Global(Global::Reconstruct),
                [Value::Global(Global::NdArray), Value::Sequence(_), _],
            ) => Value::Empty,
            (Value::Global(Global::Dtype), [Value::Text(name), ..]) => {
                Value::Dtype(name.clone(), false)
            }
            (Value::Global(Global::Encode), [Value::Text(text), Value::Text(encoding)])
                if matches!(&self.bytes[encoding.clone()], b"latin1" | b"latin-1") =>
            {
                Value::Latin1(text.clone())
            }
            _ => return Err("it calls something in a way that makes no array".to_owned()),
        };
        self.push(made)
    }

    /// What was made is told its state.
    fn build(&mut self) -> Outcome<()> {
        let state = self.pop()?;
        let made = self.top()?;
        let wrong = || "it fills an array with what is none".to_owned();
        let Value::Sequence(state) = &self.values[state] else {
            return Err(wrong());
        };
        let parts = state.iter().take(MOST_PARTS);
        let parts: Vec<&Value> = parts.map(|id| &self.values[*id]).collect();
        let built = match (&self.values[made], &parts[..]) {
            // Version, order of bytes, …
            (Value::Dtype(name, _), [Value::Integer(_), Value::Text(order), ..]) => {
                Value::Dtype(name.clone(), self.bytes[order.clone()] == *b">")
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
                let side = |id: &Id| match self.values[*id] {
                    Value::Integer(side) => usize::try_from(side).ok(),
                    _ => None,
                };
                let shape: Option<Vec<usize>> = shape.iter().map(side).collect();
                Value::Array(Array {
                    shape: shape.ok_or_else(wrong)?,
                    dtype: dtype.clone(),
                    is_swapped: *is_swapped,
                    is_fortran: *is_fortran != 0,
                    data: state[4],
                })
            }
            _ => return Err(wrong()),
        };
        self.values[made] = built;
        Ok(())
    }
}
