//! Folders in Pascal VOC's format (Everingham et al., 2010,
//! <https://doi.org/10.1007/s11263-009-0275-4>): `Annotations/ID.xml`, `JPEGImages/ID.jpg`, and lists
//! of IDs in `ImageSets/Main/SPLIT.txt`. Boxes become those of [`BBox`](crate::boxes::BBox) as in
//! detectron2: `xmin` and `ymin` less 1, `xmax` and `ymax` as they are.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{Listed, Listing, fitting, label_of, unreadable};
use super::{BACKGROUND, DataError, Object};
use crate::boxes::area;

/// Reads such folders.
pub struct VocSet;

#[derive(Deserialize)]
struct Annotation {
    filename: Option<String>,
    size: Option<Size>,
    #[serde(default)]
    object: Vec<Thing>,
}

#[derive(Deserialize)]
struct Size {
    width: usize,
    height: usize,
}

#[derive(Deserialize)]
struct Thing {
    name: String,
    #[serde(default)]
    difficult: u8,
    bndbox: Corners,
}

/// Pixels counted from 1, all four within the box.
#[derive(Deserialize)]
struct Corners {
    xmin: f32,
    ymin: f32,
    xmax: f32,
    ymax: f32,
}

impl VocSet {
    /// The pictures of a split, or all that are annotated. The classes are the given ones, or else those
    /// of all annotations, sorted, so that every split has the same. What cannot be is left out, and
    /// added to `problems`.
    ///
    /// # Errors
    /// If the folder or the split's list cannot be read.
    pub fn load(
        folder: &Path,
        split: Option<&str>,
        class_names: Option<&[String]>,
        problems: &mut Vec<String>,
    ) -> Result<Listing, DataError> {
        let annotated = annotated(&folder.join("Annotations"))?;
        let ids = match split {
            None => annotated.iter().cloned().collect(),
            Some(split) => {
                let list = folder.join(format!("ImageSets/Main/{split}.txt"));
                listed(&list, problems)?
            }
        };
        let class_names = match class_names {
            Some(names) => names.to_vec(),
            None => names_in(folder, &annotated),
        };
        let mut pictures = Vec::new();
        for id in ids {
            let path = path_of(folder, &id);
            match read(&path) {
                Ok(annotation) => {
                    pictures.extend(picture(folder, &id, annotation, &class_names, problems));
                }
                Err(problem) => problems.push(problem),
            }
        }
        Ok(Listing {
            class_names,
            pictures,
        })
    }
}

/// The background, and all names in these annotations.
fn names_in(folder: &Path, ids: &BTreeSet<String>) -> Vec<String> {
    // What is wrong with annotations of other splits does not matter here.
    let annotations = ids.iter().flat_map(|id| read(&path_of(folder, id)));
    let mut names: BTreeSet<String> = annotations
        .flat_map(|annotation| annotation.object)
        .map(|thing| thing.name)
        .collect();
    names.remove(BACKGROUND);
    std::iter::once(BACKGROUND.to_owned())
        .chain(names)
        .collect()
}

fn path_of(folder: &Path, id: &str) -> PathBuf {
    folder.join("Annotations").join(format!("{id}.xml"))
}

fn annotated(folder: &Path) -> Result<BTreeSet<String>, DataError> {
    let unreadable = |error| {
        DataError(format!(
            "folder {} cannot be read: {error}",
            folder.display()
        ))
    };
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            ids.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    Ok(ids)
}

/// The IDs of a list, the first word of each line.
fn listed(path: &Path, problems: &mut Vec<String>) -> Result<Vec<String>, DataError> {
    let text = fs::read_to_string(path)
        .map_err(|error| DataError(format!("{} cannot be read: {error}", path.display())))?;
    let mut known = HashSet::new();
    let mut ids = Vec::new();
    for id in text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        match known.insert(id) {
            true => ids.push(id.to_owned()),
            false => problems.push(format!("{} lists {id} twice", path.display())),
        }
    }
    match ids.is_empty() {
        true => Err(DataError(format!("{} lists no pictures", path.display()))),
        false => Ok(ids),
    }
}

fn read(path: &Path) -> Result<Annotation, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mut annotation: Annotation = quick_xml::de::from_str(&text).map_err(|error| {
        // It quotes the file, line breaks and all.
        let error = error.to_string().replace(['\n', '\r'], " ");
        format!("{} is no annotation: {error}", path.display())
    })?;
    for thing in &mut annotation.object {
        thing.name = thing.name.trim().to_owned(); // written by hand at times
    }
    Ok(annotation)
}

/// The picture of the annotation's ID, or else the one that it names: names are often those of before
/// the files were renamed, and may be other pictures' by now.
fn file_of(folder: &Path, id: &str, annotation: &Annotation) -> Result<PathBuf, String> {
    let images = folder.join("JPEGImages");
    let named = annotation.filename.clone();
    let usual = ["jpg", "jpeg", "png"].map(|extension| format!("{id}.{extension}"));
    let mut files = usual.into_iter().chain(named).map(|name| images.join(name));
    files
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{} is missing", images.join(format!("{id}.jpg")).display()))
}

fn picture(
    folder: &Path,
    id: &str,
    annotation: Annotation,
    class_names: &[String],
    problems: &mut Vec<String>,
) -> Option<Listed> {
    let path = match file_of(folder, id, &annotation) {
        Ok(path) => path,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    // Some tools write zeros where they do not know.
    let said = annotation.size.map(|size| [size.height, size.width]);
    let said = said.filter(|size| !size.contains(&0));
    let size = match said {
        Some(size) => size,
        None => match image::image_dimensions(&path) {
            Ok((width, height)) => [height as usize, width as usize],
            Err(error) => {
                problems.push(unreadable(&path, &error).to_string());
                return None;
            }
        },
    };
    let mut objects = Vec::new();
    for (index, thing) in annotation.object.into_iter().enumerate() {
        let Corners {
            xmin,
            ymin,
            xmax,
            ymax,
        } = thing.bndbox;
        let object = || format!("{}: object {}", path_of(folder, id).display(), index + 1);
        let label = match label_of(&thing.name, class_names) {
            Ok(label) => label,
            Err(problem) => {
                problems.push(format!("{} {problem}", object()));
                continue;
            }
        };
        match fitting([xmin - 1.0, ymin - 1.0, xmax, ymax], size) {
            Some(bbox) => objects.push(Object {
                bbox,
                label,
                area: area(bbox),
                crowd: false,
                difficult: thing.difficult != 0,
            }),
            None => problems.push(format!(
                "{} ({}) has the box {xmin}, {ymin} to {xmax}, {ymax}, which is not in a picture of \
                 {} × {} pixels",
                object(),
                thing.name,
                size[1],
                size[0]
            )),
        }
    }
    Some(Listed {
        path,
        size,
        objects,
    })
}
