//! Data sets by name.

use std::path::Path;

use super::coco::CocoSet;
use super::combined::Combined;
use super::files::label_of;
use super::scenes::SceneSet;
use super::voc::VocSet;
use super::{DataError, ImageSet};

/// Pictures of `scenes:SEED` where no count is given.
const SCENES: usize = 1000;

/// The data set that `spec` names: a folder in Pascal VOC's format (`voc:DIR[:SPLIT]`), COCO's
/// (`coco:JSON:IMAGES`), generated scenes (`scenes:SEED[:COUNT]`, or full of small objects:
/// `small-scenes:SEED[:COUNT]`), or several of these joined by `+`.
/// Paths hold neither `:` nor `+`. Boxes that reach out of their pictures by a pixel at most are cut.
///
/// # Errors
/// If it names none, a file cannot be read, or what it says of its pictures cannot be: the first such
/// problem, and how many there are.
pub fn open(spec: &str) -> Result<Box<dyn ImageSet>, DataError> {
    usable(spec, None)
}

/// As [`open`], with these classes in this order, the background's name first.
///
/// # Errors
/// As those of [`open`]; and if something is of no such class.
pub fn open_as(spec: &str, class_names: &[String]) -> Result<Box<dyn ImageSet>, DataError> {
    usable(spec, Some(class_names))
}

/// All problems of a data set, a sentence each: those that [`open`] would report (or [`open_as`], where
/// classes are given), and pictures that cannot be read or are not as large as said. `looked_at` is
/// called after each picture with how many there are.
pub fn check(
    spec: &str,
    class_names: Option<&[String]>,
    mut looked_at: impl FnMut(usize),
) -> Vec<String> {
    let mut problems = Vec::new();
    let set = load(spec, class_names, &mut problems);
    for index in 0..set.len() {
        problems.extend(set.example(index).err().map(|error| error.to_string()));
        looked_at(set.len());
    }
    problems
}

fn usable(spec: &str, class_names: Option<&[String]>) -> Result<Box<dyn ImageSet>, DataError> {
    let mut problems = Vec::new();
    let set = load(spec, class_names, &mut problems);
    match problems.as_slice() {
        [] => Ok(Box::new(set)),
        [only] => Err(DataError(only.clone())),
        [first, others @ ..] => Err(DataError(format!(
            "{first} (and {} more: fpn train --check lists all)",
            others.len()
        ))),
    }
}

/// The set, without what has a problem; the problems are added to the list.
fn load(spec: &str, class_names: Option<&[String]>, problems: &mut Vec<String>) -> Combined {
    let mut sets = Vec::new();
    for part in spec.split('+') {
        let known = problems.len();
        match load_one(part, class_names, problems) {
            Ok(set) => {
                // Where there are problems, they are why.
                if set.is_empty() && problems.len() == known {
                    problems.push(format!("{part} has no pictures"));
                }
                sets.push(set);
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    Combined::new(sets, class_names.unwrap_or_default().to_vec())
}

fn load_one(
    spec: &str,
    class_names: Option<&[String]>,
    problems: &mut Vec<String>,
) -> Result<Box<dyn ImageSet>, DataError> {
    let unknown = || {
        DataError(format!(
            "'{spec}' is no data set: expected voc:DIR[:SPLIT], coco:JSON:IMAGES, scenes:SEED[:COUNT] or \
             small-scenes:SEED[:COUNT]"
        ))
    };
    let fields: Vec<&str> = spec.split(':').collect();
    let set: Box<dyn ImageSet> = match fields[..] {
        ["voc", folder] => {
            let folder = Path::new(folder);
            Box::new(VocSet::load(folder, None, class_names, problems)?)
        }
        ["voc", folder, split] => {
            let folder = Path::new(folder);
            Box::new(VocSet::load(folder, Some(split), class_names, problems)?)
        }
        ["coco", json, images] => {
            let (json, images) = (Path::new(json), Path::new(images));
            Box::new(CocoSet::load(json, images, class_names, problems)?)
        }
        [kind @ ("scenes" | "small-scenes"), seed, ref count @ ..] => {
            let seed = seed.parse().map_err(|_| unknown())?;
            let count = match count {
                [] => SCENES,
                [count] => count.parse().map_err(|_| unknown())?,
                _ => return Err(unknown()),
            };
            Box::new(match kind {
                "scenes" => SceneSet::new(seed, count),
                _ => SceneSet::small(seed, count),
            })
        }
        _ => return Err(unknown()),
    };
    // Scenes have the classes that they have.
    for name in &set.class_names()[1..] {
        if let Err(problem) = label_of(name, class_names.unwrap_or(set.class_names())) {
            problems.push(format!("{spec}: a class {problem}"));
        }
    }
    Ok(set)
}
