//! A look for tensors in containers in each other.

use std::collections::BTreeMap;

use crate::weights::pickle::{Id, Pickle, Tensor, Value};

/// Most values that are looked at, since a file may refer to one again and again.
const MOST_VISITS: usize = 1 << 20;

/// How deep containers are looked into.
const DEEPEST: usize = 64;

/// All tensors in a pickle, by the keys and places that lead to them, with dots between.
///
/// # Errors
/// If its values refer to each other without end.
pub(super) fn tensors<'a>(pickle: &'a Pickle<'a>) -> Result<BTreeMap<String, &'a Tensor>, String> {
    let mut search = Search {
        pickle,
        visits: 0,
        tensors: BTreeMap::new(),
    };
    search.visit(pickle.root(), "", 0)?;
    Ok(search.tensors)
}

struct Search<'a> {
    pickle: &'a Pickle<'a>,
    visits: usize,
    tensors: BTreeMap<String, &'a Tensor>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, id: Id, path: &str, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if self.visits > MOST_VISITS || depth > DEEPEST {
            return Err("its values are in each other too often or too deep".to_owned());
        }
        let pickle = self.pickle;
        let mut enter = |key: &dyn std::fmt::Display, id| {
            let path = match path {
                "" => key.to_string(),
                _ => format!("{path}.{key}"),
            };
            self.visit(id, &path, depth + 1)
        };
        match pickle.value(id) {
            Value::Tensor(tensor) => {
                self.tensors.insert(path.to_owned(), tensor);
                Ok(())
            }
            Value::Dict(entries) => {
                entries
                    .iter()
                    .try_for_each(|(key, id)| match pickle.value(*key) {
                        Value::Text(key) => enter(&pickle.text(key), *id),
                        Value::Integer(key) => enter(key, *id),
                        _ => Ok(()),
                    })
            }
            Value::Sequence(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(place, id)| enter(&place, *id))
            }
            _ => Ok(()),
        }
    }
}
