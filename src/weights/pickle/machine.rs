//! What reads a pickle.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Dialect, Global, Id, Pickle, Value, numpy, text, torch};

/// Most values of a file, so that its memory is bounded by more than its length. A checkpoint has a few
/// for each tensor.
const MOST_VALUES: usize = 1 << 20;

pub(super) fn read(bytes: &[u8], start: usize, dialect: Dialect) -> Result<Pickle<'_>, String> {
    Machine {
        bytes,
        dialect,
        at: start,
        values: Vec::new(),
        held: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    }
    .run()
}

/// What reads a pickle, an instruction after the other.
struct Machine<'a> {
    bytes: &'a [u8],
    dialect: Dialect,
    at: usize,
    values: Vec<Value>,
    /// How many values there are, and entries that calls copied.
    held: usize,
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
                    end: self.at,
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
            0x8a => self.long(1),
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
                let [module, name] = [names[0], names[1]].map(|id| self.name(id));
                self.global(module?, name?)
            }
            b'R' => self.reduce(),
            b'b' => self.build(),
            _ if self.dialect == Dialect::Torch => self.further_step(opcode),
            _ => Err(unknown(opcode, self.at - 1)),
        }
    }

    /// An instruction that only files of many kinds of values have.
    fn further_step(&mut self, opcode: u8) -> Outcome<()> {
        match opcode {
            // BINPERSID
            b'Q' => self.persistent(),
            // NEWOBJ: a call; NEWOBJ_EX: with named arguments, which tensors do not have
            0x81 => self.reduce(),
            0x92 => {
                let call = self.pop_many(3)?;
                self.push(torch::object(&self.values[call[0]]))
            }
            // LONG4
            0x8b => self.long(4),
            // UNICODE, whose escapes stay as they are
            b'V' => {
                let line = self.line()?;
                self.push(Value::Text(line))
            }
            // SHORT_BINSTRING, BINSTRING: Python 2's texts, which may be any bytes
            b'U' => self.string(1),
            b'T' => self.string(4),
            // EMPTY_SET, FROZENSET, ADDITEMS
            0x8f => self.push(Value::Sequence(Vec::new())),
            0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Value::Sequence(items))
            }
            0x90 => {
                let items = self.pop_to_mark()?;
                self.append(items)
            }
            // LIST, DICT
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Sequence(items))
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.set_items(&items)
            }
            // DUP
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            _ => Err(unknown(opcode, self.at - 1)),
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

    fn line(&mut self) -> Outcome<Range<usize>> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or("it is cut short")?)?;
        self.at += 1;
        match std::str::from_utf8(&self.bytes[line.clone()]) {
            Ok(_) => Ok(line),
            Err(_) => Err("a name in it is no text".to_owned()),
        }
    }

    fn push(&mut self, value: Value) -> Outcome<()> {
        self.count(&value)?;
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
        Ok(())
    }

    fn count(&mut self, value: &Value) -> Outcome<()> {
        let entries = match value {
            Value::Dict(entries) => entries.len(),
            _ => 0,
        };
        self.held += 1 + entries;
        match self.held <= MOST_VALUES {
            true => Ok(()),
            false => Err(format!("it holds more than {MOST_VALUES} values")),
        }
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
    fn long(&mut self, length: usize) -> Outcome<()> {
        let range = self.counted(length)?;
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

    fn string(&mut self, length: usize) -> Outcome<()> {
        let range = self.counted(length)?;
        match std::str::from_utf8(&self.bytes[range.clone()]) {
            Ok(_) => self.push(Value::Text(range)),
            Err(_) => self.push(Value::Bytes(range)),
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
            // A dict of a class of its own.
            object @ Value::Object(_) if rest.is_empty() => {
                *object = Value::Dict(pairs.iter().map(|[key, value]| (*key, *value)).collect());
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
            Value::Object(_) => Ok(()),
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

    fn name(&self, id: Id) -> Outcome<Range<usize>> {
        match &self.values[id] {
            Value::Text(range) => Ok(range.clone()),
            _ => Err("a name in it is no text".to_owned()),
        }
    }

    fn global(&mut self, module: Range<usize>, name: Range<usize>) -> Outcome<()> {
        let words = [&module, &name].map(|range| text(self.bytes, range));
        let known = match self.dialect {
            Dialect::NumPy => numpy::global(words[0], words[1]).map(Global::NumPy),
            Dialect::Torch => torch::global(words[0], words[1]).map(Global::Torch),
        };
        match (known, self.dialect) {
            (Some(global), _) => self.push(Value::Global(global)),
            (None, Dialect::Torch) => self.push(Value::Unknown(module, name)),
            (None, Dialect::NumPy) => Err(format!(
                "it uses {}.{}, which is nothing that dicts and arrays take",
                words[0].escape_debug(),
                words[1].escape_debug()
            )),
        }
    }

    /// A call.
    fn reduce(&mut self) -> Outcome<()> {
        let call = self.pop_many(2)?;
        let Value::Sequence(arguments) = &self.values[call[1]] else {
            return Err("it calls something with no arguments".to_owned());
        };
        let called = &self.values[call[0]];
        match self.dialect {
            Dialect::NumPy => {
                let made = numpy::call(self.bytes, &self.values, called, arguments)?;
                self.push(made)
            }
            Dialect::Torch => match torch::call(self.bytes, &self.values, called, arguments)? {
                torch::Made::New(value) => self.push(value),
                torch::Made::Known(id) => {
                    self.stack.push(id);
                    Ok(())
                }
            },
        }
    }

    /// What was made is told its state.
    fn build(&mut self) -> Outcome<()> {
        let state = self.pop()?;
        let id = self.top()?;
        let (made, state) = (&self.values[id], &self.values[state]);
        let built = match self.dialect {
            Dialect::NumPy => Some(numpy::build(self.bytes, &self.values, made, state)?),
            Dialect::Torch => torch::build(self.bytes, &self.values, made, state)?,
        };
        if let Some(built) = built {
            self.count(&built)?;
            self.values[id] = built;
        }
        Ok(())
    }

    /// What lies outside the pickle.
    fn persistent(&mut self) -> Outcome<()> {
        let id = self.pop()?;
        let value = torch::persistent(self.bytes, &self.values, id)?;
        self.push(value)
    }
}

fn unknown(opcode: u8, at: usize) -> String {
    format!("instruction {opcode:#04x} at byte {at} is none of those that dicts and arrays take")
}
