//! What is there and what was found, picture by picture.

use anyhow::{Result, anyhow};
use fpn_wgpu::data::{ImageSet, Object};
use fpn_wgpu::eval::{Evaluation, Found};
use fpn_wgpu::{Detection, Detections};

/// An evaluation by boxes, and by masks and keypoints where both the model and the data set have them. That a
/// model does is known once it has found something.
pub struct Measurement<'a> {
    set: &'a dyn ImageSet,
    /// The set's label of each of the model's.
    labels: &'a [Option<usize>],
    evaluation: Evaluation,
    gives_masks: bool,
    gives_keypoints: bool,
    /// Pictures in which nothing was found.
    empty: Vec<(usize, Vec<Object>)>,
}

impl<'a> Measurement<'a> {
    pub fn new(set: &'a dyn ImageSet, labels: &'a [Option<usize>]) -> Self {
        Self {
            set,
            labels,
            evaluation: Evaluation::new(set.class_names()),
            gives_masks: false,
            gives_keypoints: false,
            empty: Vec::new(),
        }
    }

    /// Picture `index` of the set. It is left out if it is an error.
    pub fn add(
        &mut self,
        index: usize,
        objects: Vec<Object>,
        detections: &Detections,
    ) -> Result<()> {
        let items = &detections.items;
        self.gives_masks |= items.iter().any(|item| item.mask.is_some());
        self.gives_keypoints |= items.iter().any(|item| item.keypoints.is_some());
        let found = items.iter().filter_map(|item| {
            let found = Found {
                bbox: item.bbox,
                score: item.score,
                label: self.labels[item.label]?,
            };
            Some((found, item))
        });
        let found: Vec<(Found, &Detection)> = found.collect();
        if items.is_empty() {
            self.empty.push((index, objects.clone()));
        } else {
            self.add_shapes(index, &objects, &found)?;
        }
        let found = found.into_iter().map(|(found, _)| found);
        self.evaluation.add(objects, found.collect());
        Ok(())
    }

    /// The evaluation, and what of it had to be left out.
    pub fn finish(mut self) -> (Evaluation, Vec<anyhow::Error>) {
        let empty = std::mem::take(&mut self.empty);
        let failures = empty
            .into_iter()
            .filter_map(|(index, objects)| self.add_shapes(index, &objects, &[]).err())
            .collect();
        (self.evaluation, failures)
    }

    fn add_shapes(
        &mut self,
        index: usize,
        objects: &[Object],
        found: &[(Found, &Detection)],
    ) -> Result<()> {
        let by_masks = self.gives_masks && self.set.has_masks();
        let by_keypoints = self.gives_keypoints && self.set.has_keypoints();
        // Both, before anything is counted.
        let masks = by_masks.then(|| self.set.masks(index)).transpose()?;
        let keypoints = by_keypoints
            .then(|| self.set.keypoints(index))
            .transpose()?;
        let name = || self.set.name(index);
        if let Some(keypoints) = keypoints {
            let mut people = Vec::new();
            for (found, item) in found {
                let Some(points) = &item.keypoints else {
                    continue;
                };
                let points = points.as_slice().try_into().map_err(|_| {
                    let count = points.len();
                    anyhow!(
                        "{}: the model gives {count} keypoints, the data set 17",
                        name()
                    )
                })?;
                people.push((*found, points));
            }
            let objects: Vec<_> = objects.iter().copied().zip(keypoints).collect();
            self.evaluation.add_keypoints(&objects, &people);
        }
        if let Some(masks) = masks {
            let found = found.iter();
            let found: Vec<_> = found
                .filter_map(|(found, item)| Some((*found, item.mask.clone()?)))
                .collect();
            let objects: Vec<_> = objects.iter().copied().zip(masks).collect();
            let added = self.evaluation.add_masks(&objects, &found);
            added.map_err(|error| anyhow!("{}: a mask {error}", name()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fpn_wgpu::data::{DataError, Example, Keypoints};
    use fpn_wgpu::eval::Metrics;
    use fpn_wgpu::masks::Rle;

    use super::*;

    /// Two pictures of a person each.
    struct People([String; 2]);

    const SIZE: [usize; 2] = [40, 60];

    fn people() -> People {
        People(["background", "person"].map(str::to_owned))
    }

    fn person() -> Object {
        Object {
            bbox: [10.0, 10.0, 30.0, 30.0],
            label: 1,
            area: 400.0,
            crowd: false,
            difficult: false,
        }
    }

    fn mask() -> Rle {
        let square = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0];
        Rle::from_polygons(SIZE, &[square]).expect("a square")
    }

    impl ImageSet for People {
        fn class_names(&self) -> &[String] {
            &self.0
        }

        fn len(&self) -> usize {
            2
        }

        fn name(&self, index: usize) -> String {
            format!("{index}.png")
        }

        fn size(&self, _: usize) -> [usize; 2] {
            SIZE
        }

        fn has_objects(&self, _: usize) -> bool {
            true
        }

        fn example(&self, _: usize) -> Result<Example, DataError> {
            unreachable!("pictures are not looked at")
        }

        fn has_masks(&self) -> bool {
            true
        }

        fn has_keypoints(&self) -> bool {
            true
        }

        fn masks(&self, _: usize) -> Result<Vec<Rle>, DataError> {
            Ok(vec![mask()])
        }

        fn keypoints(&self, _: usize) -> Result<Vec<Option<Keypoints>>, DataError> {
            let points = [[20.0, 20.0, 2.0]; 17];
            Ok(vec![Some(Keypoints {
                points,
                labelled: 17,
            })])
        }
    }

    fn found(mask: Option<Rle>, keypoints: Option<usize>) -> Detections {
        Detections {
            width: SIZE[1],
            height: SIZE[0],
            items: vec![Detection {
                bbox: person().bbox,
                label: 1,
                name: "person".to_owned(),
                score: 0.5,
                level: 2,
                landmarks: None,
                mask,
                keypoints: keypoints.map(|count| vec![[20.0, 20.0, 1.0]; count]),
            }],
        }
    }

    fn nothing() -> Detections {
        Detections {
            items: Vec::new(),
            ..found(None, None)
        }
    }

    /// The figures of what is found in one picture and the other.
    fn measure(found: [Detections; 2]) -> Metrics {
        let (set, labels) = (people(), [None, Some(1)]);
        let mut measurement = Measurement::new(&set, &labels);
        for (index, found) in found.iter().enumerate() {
            let added = measurement.add(index, vec![person()], found);
            added.expect("it can be measured");
        }
        let (evaluation, failures) = measurement.finish();
        assert!(failures.is_empty());
        evaluation.metrics()
    }

    #[test]
    fn pictures_in_which_nothing_is_found_count_by_masks_and_keypoints_too() {
        let metrics = measure([nothing(), found(Some(mask()), Some(17))]);
        let shapes =
            [metrics.segm, metrics.keypoints].map(|shapes| shapes.expect("the model gives them"));
        for figures in shapes {
            assert_eq!(figures.classes[0].objects, 2);
            // Precision is 1 at 51 recalls of 101.
            let ap50 = figures.ap50.expect("there are people");
            assert!((ap50 - 51.0 / 101.0).abs() < 1e-12, "{ap50}");
        }
    }

    #[test]
    fn figures_are_of_what_the_model_gives() {
        let given = |mask, keypoints| {
            let metrics = measure([found(mask, keypoints), nothing()]);
            (metrics.segm.is_some(), metrics.keypoints.is_some())
        };
        assert_eq!(given(None, None), (false, false));
        assert_eq!(given(Some(mask()), None), (true, false));
        assert_eq!(given(None, Some(17)), (false, true));
    }

    #[test]
    fn other_keypoints_than_cocos_cannot_be_measured() {
        let (set, labels) = (people(), [None, Some(1)]);
        let mut measurement = Measurement::new(&set, &labels);
        let added = measurement.add(1, vec![person()], &found(None, Some(5)));
        assert_eq!(
            added.expect_err("five").to_string(),
            "1.png: the model gives 5 keypoints, the data set 17"
        );
        assert!(measurement.finish().0.metrics().classes[0].objects == 0);
    }
}
