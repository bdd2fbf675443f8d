//! Instances in COCO's JSON format (Lin et al., 2014, <https://arxiv.org/abs/1405.0312>).

mod presence;
mod shapes;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::files::{Listed, Listing, fitting, label_of};
use super::{BACKGROUND, DataError, Example, ImageSet, Keypoints, Object};
use crate::masks::Rle;
use presence::Presence;
use shapes::Shapes;

/// Pictures that such a file lists.
pub struct CocoSet {
    listing: Listing,
    /// Of each picture, the ids of its objects' annotations.
    annotations: Vec<Vec<u64>>,
    has_masks: bool,
    has_keypoints: bool,
    shapes: Shapes,
}

#[derive(Deserialize)]
struct Instances {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: usize,
    height: usize,
}

#[derive(Deserialize)]
struct Annotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    /// Left, top, width, height in pixels.
    bbox: [f32; 4],
    area: Option<f32>,
    #[serde(default)]
    iscrowd: u8,
    #[serde(default)]
    segmentation: Presence,
    #[serde(default)]
    keypoints: Presence,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

impl CocoSet {
    /// The pictures of `json`, whose files lie in `images`, in its order. The classes are the given ones,
    /// or else the categories in the order of their ids; those of the same name are one. What cannot be
    /// is left out, and added to `problems`.
    ///
    /// # Errors
    /// If the file cannot be read, or is of another format.
    pub fn load(
        json: &Path,
        images: &Path,
        class_names: Option<&[String]>,
        problems: &mut Vec<String>,
    ) -> Result<Self, DataError> {
        let name = json.display();
        let text = std::fs::read_to_string(json)
            .map_err(|error| DataError(format!("{name} cannot be read: {error}")))?;
        let instances: Instances = serde_json::from_str(&text)
            .map_err(|error| DataError(format!("{name} holds no COCO instances: {error}")))?;

        let mut categories = BTreeMap::new();
        for category in instances.categories {
            if categories.insert(category.id, category.name).is_some() {
                problems.push(format!("{name} has category {} twice", category.id));
            }
        }
        let class_names = match class_names {
            Some(names) => names.to_vec(),
            None => names_of(&categories),
        };

        let mut pictures = Vec::new();
        let mut places = HashMap::new();
        for image in instances.images {
            if places.insert(image.id, pictures.len()).is_some() {
                problems.push(format!("{name} has image {} twice", image.id));
            }
            let listed = Listed {
                path: images.join(&image.file_name),
                size: [image.height, image.width],
                objects: Vec::new(),
            };
            pictures.push((listed, Vec::new()));
        }
        let (mut has_masks, mut has_keypoints) = (false, false);
        let mut known = HashSet::new();
        for annotation in instances.annotations {
            let Annotation { id, bbox, .. } = annotation;
            if !known.insert(id) {
                problems.push(format!("{name} has annotation {id} twice"));
            }
            let Some(&place) = places.get(&annotation.image_id) else {
                let image = annotation.image_id;
                problems.push(format!(
                    "{name}: annotation {id} is of image {image}, which is not listed"
                ));
                continue;
            };
            let Some(category) = categories.get(&annotation.category_id) else {
                let category = annotation.category_id;
                problems.push(format!(
                    "{name}: annotation {id} is of category {category}, which is not listed"
                ));
                continue;
            };
            let label = match label_of(category, &class_names) {
                Ok(label) => label,
                Err(problem) => {
                    problems.push(format!("{name}: annotation {id} {problem}"));
                    continue;
                }
            };
            let (picture, ids): &mut (Listed, Vec<u64>) = &mut pictures[place];
            let size = picture.size;
            let [x, y, width, height] = bbox;
            match fitting([x, y, x + width, y + height], size) {
                Some(bbox) => {
                    picture.objects.push(Object {
                        bbox,
                        label,
                        area: annotation.area.unwrap_or(width * height),
                        crowd: annotation.iscrowd != 0,
                        difficult: false,
                    });
                    ids.push(id);
                    has_masks |= annotation.segmentation.0;
                    has_keypoints |= annotation.keypoints.0;
                }
                None => problems.push(format!(
                    "{name}: annotation {id} has the box {x}, {y}, {width} wide and {height} high, \
                     which is not in a picture of {} × {} pixels",
                    size[1], size[0]
                )),
            }
        }
        // Only now: annotations of a missing picture are no problem of their own.
        pictures.retain(|(picture, _)| {
            let is_there = picture.path.is_file();
            if !is_there {
                problems.push(format!("{} is missing", picture.path.display()));
            }
            is_there
        });
        let (pictures, annotations) = pictures.into_iter().unzip();
        Ok(Self {
            listing: Listing {
                class_names,
                pictures,
            },
            annotations,
            has_masks,
            has_keypoints,
            shapes: Shapes::of(json),
        })
    }
}

impl ImageSet for CocoSet {
    fn class_names(&self) -> &[String] {
        self.listing.class_names()
    }

    fn len(&self) -> usize {
        self.listing.len()
    }

    fn name(&self, index: usize) -> String {
        self.listing.name(index)
    }

    fn size(&self, index: usize) -> [usize; 2] {
        self.listing.size(index)
    }

    fn has_objects(&self, index: usize) -> bool {
        self.listing.has_objects(index)
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        self.listing.example(index)
    }

    fn has_masks(&self) -> bool {
        self.has_masks
    }

    fn has_keypoints(&self) -> bool {
        self.has_keypoints
    }

    fn masks(&self, index: usize) -> Result<Vec<Rle>, DataError> {
        if !self.has_masks {
            return Ok(Vec::new());
        }
        let ids = self.annotations[index].iter();
        ids.map(|&id| self.shapes.mask(id, self.size(index)))
            .collect()
    }

    fn keypoints(&self, index: usize) -> Result<Vec<Option<Keypoints>>, DataError> {
        if !self.has_keypoints {
            return Ok(Vec::new());
        }
        let ids = self.annotations[index].iter();
        ids.map(|&id| self.shapes.keypoints(id)).collect()
    }
}

/// The background, and each name of the categories once.
fn names_of(categories: &BTreeMap<u64, String>) -> Vec<String> {
    let mut names = vec![BACKGROUND.to_owned()];
    for name in categories.values() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
