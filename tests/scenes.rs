//! Generated pictures: what a detector learns from and is measured by.
#![cfg(feature = "train")]

use fpn_wgpu::data::scenes::{Animation, Scene, SceneSet, Shape};
use fpn_wgpu::data::{Example, ImageSet, Object};

fn examples(seed: u64, count: usize) -> Vec<Example> {
    let set = SceneSet::new(seed, count);
    (0..count).map(|i| set.example(i).unwrap()).collect()
}

fn objects(examples: &[Example]) -> impl Iterator<Item = &Object> {
    examples.iter().flat_map(|example| &example.objects)
}

#[test]
fn a_picture_is_a_function_of_seed_and_index() {
    let (long, short) = (SceneSet::new(7, 100), SceneSet::new(7, 4));
    let example = |set: &SceneSet, index| set.example(index).unwrap();
    for index in 0..4 {
        let (a, b) = (example(&long, index), example(&short, index));
        assert_eq!(a.picture, b.picture);
        assert_eq!(a.objects, b.objects);
    }
    assert_ne!(example(&long, 0).objects, example(&long, 1).objects);
    let other = SceneSet::new(8, 4);
    assert_ne!(example(&long, 0).objects, example(&other, 0).objects);
    // Nor is the next seed the same list, moved by one.
    assert_ne!(example(&long, 1).objects, example(&other, 0).objects);
    assert_eq!(long.class_names()[Shape::Heart.label()], "heart");
    assert_eq!(long.class_names().len(), Shape::ALL.len() + 1);
}

#[test]
fn pictures_have_the_size_that_is_told() {
    let set = SceneSet::new(3, 30);
    for index in 0..set.len() {
        let [height, width] = set.size(index);
        let picture = set.example(index).unwrap().picture;
        assert_eq!(picture.dimensions(), (width as u32, height as u32));
        assert!((336..=384).contains(&height.min(width)));
    }
    let wide = Scene::draw(1, [480, 640]).picture;
    assert_eq!(wide.dimensions(), (640, 480));
}

#[test]
fn boxes_lie_within_the_picture_and_are_labelled() {
    let examples = examples(11, 200);
    for example in &examples {
        let (width, height) = example.picture.dimensions();
        assert!(!example.objects.is_empty() && example.objects.len() <= 14);
        for object in &example.objects {
            let [x1, y1, x2, y2] = object.bbox;
            assert!(0.0 <= x1 && x1 + 3.0 < x2 && x2 <= width as f32);
            assert!(0.0 <= y1 && y1 + 3.0 < y2 && y2 <= height as f32);
            assert!((1..=Shape::ALL.len()).contains(&object.label));
            assert_eq!(object.area, (x2 - x1) * (y2 - y1));
            assert!(!object.crowd && !object.difficult);
        }
    }
    let cut = |o: &&Object| o.bbox[0] == 0.0 || o.bbox[1] == 0.0;
    assert!(objects(&examples).filter(cut).count() > 20);
}

#[test]
fn sizes_and_classes_vary() {
    let examples = examples(5, 300);
    let total = objects(&examples).count();
    let side = |o: &Object| (o.bbox[2] - o.bbox[0]).max(o.bbox[3] - o.bbox[1]);
    let tiny = objects(&examples).filter(|o| side(o) < 16.0).count();
    assert!(tiny > total / 40 && tiny < total / 4, "{tiny} of {total}");
    let large = objects(&examples).filter(|o| side(o) > 200.0).count();
    assert!(large > total / 40, "{large} of {total}");
    for shape in Shape::ALL {
        let of_class = |o: &&Object| o.label == shape.label();
        let share = objects(&examples).filter(of_class).count() as f32 / total as f32;
        let even = 1.0 / Shape::ALL.len() as f32;
        assert!((share / even - 1.0).abs() < 0.25, "{shape:?}: {share}");
    }
}

#[test]
fn animated_objects_move_smoothly() {
    let animation = Animation::new(2, 480, 360);
    assert_eq!(animation.frame(1.0).picture, animation.frame(1.0).picture);
    let mut sides = (f32::MAX, 0.0_f32);
    let mut compared = 0;
    for frame in 0..1200 {
        let seconds = frame as f32 / 60.0;
        if frame % 20 != 0 {
            continue;
        }
        let now = animation.frame(seconds).objects;
        let next = animation.frame(seconds + 1.0 / 60.0).objects;
        for object in &now {
            let [x1, y1, x2, y2] = object.bbox;
            assert!(x1 >= 0.0 && y1 >= 0.0 && x2 <= 480.0 && y2 <= 360.0);
            let side = (x2 - x1).max(y2 - y1);
            sides = (sides.0.min(side), sides.1.max(side));
            // There is one of each kind.
            let Some(later) = next.iter().find(|o| o.label == object.label) else {
                continue;
            };
            compared += 1;
            for (a, b) in object.bbox.iter().zip(later.bbox) {
                assert!((a - b).abs() < 8.0, "{a} to {b} at {seconds} s");
            }
        }
    }
    assert!(compared > 200, "{compared}");
    assert!(sides.0 < 24.0 && sides.1 > 150.0, "{sides:?}");
}
