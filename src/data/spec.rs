//! Data sets by name.

use std::path::Path;

use super::coco::CocoSet;
use super::combined::Combined;
use super::scenes::SceneSet;
use super::voc::VocSet;
use super::{DataError, ImageSet};

/// Pictures of `scenes:SEED` where no count is given.
const SCENES: usize = 1000;

/// The data set that `spec` names: a folder in Pascal VOC's format (`voc:DIR[:SPLIT]`), COCO's
/// (`coco:JSON:IMAGES`), generated scenes (`scenes:SEED[:COUNT]`), or several of these joined by `+`.
/// Paths hold neither `:` nor `+`.
///
/// # Errors
/// If it names none, a file cannot be read, or what it says of its pictures cannot be: the first such
/// problem, and how many there are.
pub fn open(spec: &str) -> Result<Box<dyn ImageSet>, DataError> {
    let mut problems = Vec::new();
    let set = load(spec, &mut problems)?;
    match problems.as_slice() {
        [] if set.is_empty() => Err(DataError(format!("{spec} has no pictures"))),
        [] => Ok(set),
        [only] => Err(DataError(only.clone())),
        [first, others @ ..] => Err(DataError(format!(
            "{first} (and {} more: fpn train --check lists all)",
            others.len()
        ))),
    }
}

/// All problems of a data set, a sentence each: those that [`open`] would report, and pictures that
/// cannot be read or are not as large as said. `looked_at` is called after each picture with how many
/// there are.
pub fn check(spec: &str, mut looked_at: impl FnMut(usize)) -> Vec<String> {
    let mut problems = Vec::new();
    let set = match load(spec, &mut problems) {
        Ok(set) => set,
        Err(error) => return vec![error.to_string()],
    };
    if set.is_empty() && problems.is_empty() {
        problems.push(format!("{spec} has no pictures"));
    }
    for index in 0..set.len() {
        let checked = set.example(index).and_then(|example| {
            let (width, height) = example.picture.dimensions();
            let found = [height, width].map(|side| side as usize);
            let said = set.size(index);
            match said == found {
                true => Ok(()),
                false => Err(DataError(format!(
                    "{} is {} × {} pixels, but its annotation says {} × {}",
                    set.name(index),
                    found[1],
                    found[0],
                    said[1],
                    said[0]
                ))),
            }
        });
        problems.extend(checked.err().map(|error| error.to_string()));
        looked_at(set.len());
    }
    problems
}

/// The set, without what has a problem; the problems are added to the list.
fn load(spec: &str, problems: &mut Vec<String>) -> Result<Box<dyn ImageSet>, DataError> {
    let parts = spec.split('+').map(|part| load_one(part, problems));
    let mut sets: Vec<Box<dyn ImageSet>> = parts.collect::<Result<_, _>>()?;
    match sets.len() {
        1 => Ok(sets.remove(0)),
        _ => Ok(Box::new(Combined::new(sets))),
    }
}

fn load_one(spec: &str, problems: &mut Vec<String>) -> Result<Box<dyn ImageSet>, DataError> {
    let unknown = || {
        DataError(format!(
            "'{spec}' is no data set: expected voc:DIR[:SPLIT], coco:JSON:IMAGES or \
             scenes:SEED[:COUNT]"
        ))
    };
    let fields: Vec<&str> = spec.split(':').collect();
    Ok(match fields[..] {
        ["voc", folder] => Box::new(VocSet::load(Path::new(folder), None, problems)?),
        ["voc", folder, split] => Box::new(VocSet::load(Path::new(folder), Some(split), problems)?),
        ["coco", json, images] => {
            Box::new(CocoSet::load(Path::new(json), Path::new(images), problems)?)
        }
        ["scenes", seed] => {
            let seed = seed.parse().map_err(|_| unknown())?;
            Box::new(SceneSet::new(seed, SCENES))
        }
        ["scenes", seed, count] => {
            let seed = seed.parse().map_err(|_| unknown())?;
            let count = count.parse().map_err(|_| unknown())?;
            Box::new(SceneSet::new(seed, count))
        }
        _ => return Err(unknown()),
    })
}
