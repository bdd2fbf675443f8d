//! Options that take one of a few names.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Takes the name of one of these.
pub fn one_of<T, const N: usize>(all: [(&'static str, T); N]) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(|(name, _)| name)).map(move |chosen| {
        let found = all.iter().find(|(name, _)| *name == chosen);
        found.expect("the name is one of the possible values").1
    })
}
