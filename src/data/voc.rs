//! Folders in Pascal VOC's format (Everingham et al., 2010,
//! <https://doi.org/10.1007/s11263-009-0275-4>): `Annotations/ID.xml`, `JPEGImages/ID.jpg`, and lists
//! of IDs in `ImageSets/Main/SPLIT.txt`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{Listed, Listing, fitting};
use super::{DataError, Object};

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
    /// The pictures of a split, or all that are annotated. The classes are those of all annotations,
    /// sorted, so that every split has the same. What cannot be is left out, and added to `problems`.
    ///
    /// # Errors
    /// If the folder or the split's list cannot be read.
    pub fn load(
        folder: &Path,
        split: Option<&str>,
        problems: &mut Vec<String>,
    ) -> Result<Listing, DataError> {
        let annotated = annotated(&folder.join("Annotations"))?;
        let ids = match split {
            None => annotated.iter().cloned().collect(),
            Some(split) => listed(&folder.join(format!("ImageSets/Main/{split}.txt")))?,
        };
        let mut names = BTreeSet::new();
        for id in &annotated {
            // Those of other splits matter for their names only.
            if let Ok(annotation) = read(&path_of(folder, id)) {
                names.extend(annotation.object.into_iter().map(|thing| thing.name));
            }
        }
        let mut class_names = vec!["background".to_owned()];
        class_names.extend(names);
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
fn listed(path: &Path) -> Result<Vec<String>, DataError> {
    let text = fs::read_to_string(path)
        .map_err(|error| DataError(format!("{} cannot be read: {error}", path.display())))?;
    let ids: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    match ids.is_empty() {
        true => Err(DataError(format!("{} lists no pictures", path.display()))),
        false => Ok(ids),
    }
}

fn read(path: &Path) -> Result<Annotation, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    quick_xml::de::from_str(&text)
        .map_err(|error| format!("{} is no annotation: {error}", path.display()))
}

/// The picture that the annotation names, or else the one of its ID.
fn file_of(folder: &Path, id: &str, annotation: &Annotation) -> Result<PathBuf, String> {
    let images = folder.join("JPEGImages");
    let named = annotation.filename.iter().cloned();
    let usual = ["jpg", "jpeg", "png"].map(|extension| format!("{id}.{extension}"));
    let mut files = named.chain(usual).map(|name| images.join(name));
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
                problems.push(format!("{} cannot be read: {error}", path.display()));
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
        match fitting([xmin - 1.0, ymin - 1.0, xmax, ymax], size) {
            Some(bbox) => objects.push(Object {
                bbox,
                label: class_names
                    .iter()
                    .position(|name| *name == thing.name)
                    .expect("the names of all annotations were gathered"),
                area: crate::ops::boxes::area(bbox),
                crowd: false,
                difficult: thing.difficult != 0,
            }),
            None => problems.push(format!(
                "{}: object {} ({}) has the box {xmin}, {ymin} to {xmax}, {ymax}, which is not in a \
                 picture of {} × {} pixels",
                path_of(folder, id).display(),
                index + 1,
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
