//! Data sets by name.

use super::scenes::SceneSet;
use super::{DataError, ImageSet};

/// The data set that `spec` names: `scenes:SEED[:COUNT]`.
///
/// # Errors
/// If it names none.
pub fn open(spec: &str) -> Result<Box<dyn ImageSet>, DataError> {
    let unknown = || {
        DataError(format!(
            "'{spec}' is no data set: expected scenes:SEED[:COUNT]"
        ))
    };
    let rest = spec.strip_prefix("scenes:").ok_or_else(unknown)?;
    let (seed, count) = rest.split_once(':').unwrap_or((rest, "1000"));
    let seed = seed.parse().map_err(|_| unknown())?;
    let count = count.parse().map_err(|_| unknown())?;
    Ok(Box::new(SceneSet::new(seed, count)))
}
