//! Masks: the values of pycocotools and torchvision, and what must hold for any.

use fpn_wgpu::masks::{Rle, RleError};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

/// What `tests/goldens/masks.py` writes.
#[derive(Deserialize)]
struct Golden {
    bitmaps: Vec<Bitmap>,
    polygons: Vec<Polygons>,
    pairs: Vec<Pair>,
    pasted: Vec<Pasted>,
}

#[derive(Deserialize)]
struct Bitmap {
    size: [usize; 2],
    counts: Vec<u32>,
    text: String,
    area: usize,
    /// Left, top, width, height.
    bbox: [usize; 4],
    rows: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Polygons {
    size: [usize; 2],
    polygons: Vec<Vec<f64>>,
    text: String,
}

#[derive(Deserialize)]
struct Pair {
    size: [usize; 2],
    texts: [String; 2],
    union: String,
    intersection: String,
    iou: f64,
    crowd: f64,
}

#[derive(Deserialize)]
struct Pasted {
    side: usize,
    values: Vec<u16>,
    places: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(rename = "box")]
    bbox: [f32; 4],
    size: [usize; 2],
    text: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("goldens/masks.json")).expect("the golden file is valid")
}

fn read(size: [usize; 2], text: &str) -> Rle {
    Rle::from_counts_string(size, text).unwrap_or_else(|error| panic!("'{text}' {error}"))
}

#[test]
fn runs_and_their_text_are_those_of_pycocotools() {
    for case in golden().bitmaps {
        let mask = Rle::from_counts(case.size, case.counts.clone()).expect("runs of all pixels");
        assert_eq!(mask.counts(), case.counts);
        assert_eq!(mask.to_counts_string(), case.text);
        assert_eq!(read(case.size, &case.text), mask);
        assert_eq!(mask.area(), case.area, "{}", case.text);
        let [x, y, width, height] = case.bbox;
        let bbox = (case.area > 0).then_some([x, y, x + width, y + height]);
        assert_eq!(mask.bbox(), bbox, "{}", case.text);
        if let Some(rows) = case.rows {
            let bitmap: Vec<bool> = rows.concat().bytes().map(|pixel| pixel == b'1').collect();
            assert_eq!(mask.to_bitmap(), bitmap);
            assert_eq!(Rle::from_bitmap(case.size, &bitmap), Ok(mask));
        }
    }
}

#[test]
fn polygons_are_filled_as_by_pycocotools() {
    for Polygons {
        size,
        polygons,
        text,
    } in golden().polygons
    {
        let mask = Rle::from_polygons(size, &polygons).expect("polygons");
        assert_eq!(mask, read(size, &text), "{size:?} {polygons:?}");
    }
}

#[test]
fn overlaps_are_those_of_pycocotools() {
    for pair in golden().pairs {
        let [one, other] = pair.texts.map(|text| read(pair.size, &text));
        assert_eq!(one.union(&other), Ok(read(pair.size, &pair.union)));
        assert_eq!(
            one.intersection(&other),
            Ok(read(pair.size, &pair.intersection))
        );
        // As exactly as the file's numbers are read.
        let is = |overlap: Result<f64, RleError>, expected: f64| {
            overlap.is_ok_and(|overlap| (overlap - expected).abs() < 1e-15)
        };
        assert!(is(one.iou(&other), pair.iou));
        assert!(is(one.part_in(&other), pair.crowd));
    }
}

#[test]
fn masks_are_pasted_as_by_torchvision() {
    for Pasted {
        side,
        values,
        places,
    } in golden().pasted
    {
        let values: Vec<f32> = values
            .iter()
            .map(|&value| f32::from(value) / 256.0)
            .collect();
        for Place { bbox, size, text } in places {
            let mask = Rle::paste(&values, side, bbox, size).expect("a box");
            assert_eq!(mask, read(size, &text), "{side} in {bbox:?} of {size:?}");
        }
    }
}

#[test]
fn a_half_is_not_enough_and_what_is_beside_the_picture_is_cut() {
    let at_half = Rle::paste(&[0.5; 4], 2, [0.0, 0.0, 8.0, 8.0], [8, 8]);
    assert_eq!(at_half.map(|mask| mask.area()), Ok(0));
    let beside = Rle::paste(&[1.0], 1, [-30.0, 2.0, -20.0, 6.0], [8, 8]);
    assert_eq!(beside.map(|mask| mask.area()), Ok(0));
    let inside_out = Rle::paste(&[1.0], 1, [6.0, 6.0, 2.0, 2.0], [8, 8]);
    assert!(inside_out.is_ok());
}

#[test]
fn json_is_cocos() {
    let mask = Rle::from_counts([2, 4], [0, 4, 4]).expect("runs");
    let value = json!({"size": [2, 4], "counts": "044"});
    assert_eq!(serde_json::to_value(&mask).expect("JSON"), value);
    let read = |value| serde_json::from_value::<Rle>(value).map_err(|error| error.to_string());
    assert_eq!(read(value), Ok(mask.clone()));
    assert_eq!(read(json!({"size": [2, 4], "counts": [0, 4, 4]})), Ok(mask));
    let cases = [
        (
            json!({"size": [2, 4], "counts": "04"}),
            "a mask has runs over 4 pixels, expected 4 × 2",
        ),
        (
            json!({"size": [2, 4], "counts": {"a": 1}}),
            "counts are neither text nor a list of lengths",
        ),
        (json!({"size": [2, 4]}), "missing field `counts`"),
    ];
    for (value, sentence) in cases {
        assert_eq!(read(value), Err(sentence.to_owned()));
    }
}

/// Runs of no length, which pycocotools keeps, do not make another mask.
#[test]
fn equal_pixels_are_equal_masks() {
    let mask = Rle::from_counts([1, 9], [2, 3, 4]);
    assert_eq!(Rle::from_counts([1, 9], [2, 1, 0, 2, 4, 0]), mask);
    assert_eq!(Rle::from_counts([1, 9], [0, 0, 2, 3, 4]), mask);
}

#[test]
fn what_is_no_mask_is_told() {
    let told = |mask: Result<Rle, RleError>| mask.expect_err("no mask").to_string();
    let size = [2, 3];
    let text = |text: &str| told(Rle::from_counts_string(size, text));
    let polygon = |numbers: &[f64]| told(Rle::from_polygons(size, &[numbers]));
    let paste = |side: usize, bbox: [f32; 4]| told(Rle::paste(&[1.0; 4], side, bbox, size));
    let cases = [
        (
            told(Rle::from_counts([0, 3], [])),
            "has 3 × 0 pixels, expected 1 to 4294967295 in all",
        ),
        (
            told(Rle::from_bitmap([usize::MAX, 2], &[])),
            "has 2 × 18446744073709551615 pixels, expected 1 to 4294967295 in all",
        ),
        (
            told(Rle::from_polygons([1 << 16, 1 << 16], &[[0.0; 6]])),
            "has 65536 × 65536 pixels, expected 1 to 4294967295 in all",
        ),
        (
            told(Rle::from_counts(size, [4, 1])),
            "has runs over 5 pixels, expected 3 × 2",
        ),
        // The sum of all would not be a number of 32 bits, and nearly what is expected.
        (
            told(Rle::from_counts(size, [u32::MAX, 7])),
            "has runs over 4294967295 pixels, expected 3 × 2",
        ),
        (
            text("0p"),
            "has 'p' as character 1 of its runs, expected one of '0' to 'o'",
        ),
        (
            text("04 2"),
            "has ' ' as character 2 of its runs, expected one of '0' to 'o'",
        ),
        (
            text("0é"),
            "has 'é' as character 1 of its runs, expected one of '0' to 'o'",
        ),
        (
            text("04o"),
            "has a broken number in its runs, at character 2",
        ),
        (
            text("0oooooooo"),
            "has a broken number in its runs, at character 1",
        ),
        (
            text("0212L"),
            "has run 4 of -3 pixels, expected 0 to 4294967295",
        ),
        (
            told(Rle::from_bitmap(size, &[true; 5])),
            "has 5 values, expected 2 × 3",
        ),
        (
            polygon(&[0.0, 1.0, 2.0, 3.0]),
            "has a polygon of 4 numbers, expected 6 or more in pairs",
        ),
        (
            polygon(&[0.0; 7]),
            "has a polygon of 7 numbers, expected 6 or more in pairs",
        ),
        (
            polygon(&[0.0, 0.0, 1.0, 0.0, 1.0, f64::NAN]),
            "has a polygon with a corner at 1, NaN, expected numbers within ±429496729",
        ),
        (
            polygon(&[0.0, 0.0, 1e9, 0.0, 1.0, 1.0]),
            "has a polygon with a corner at 1000000000, 0, expected numbers within ±429496729",
        ),
        (paste(3, [0.0; 4]), "has 4 values, expected 3 × 3"),
        (
            told(Rle::paste(&[], 0, [0.0; 4], size)),
            "has 0 values, expected 0 × 0",
        ),
        (
            paste(2, [0.0, 0.0, f32::INFINITY, 1.0]),
            "has the box [0.0, 0.0, inf, 1.0], expected numbers within ±1000000000",
        ),
    ];
    for (told, sentence) in cases {
        assert_eq!(told, sentence);
    }
    let [one, other] = [[2, 3], [3, 2]].map(|size| Rle::from_counts(size, [6]).expect("runs"));
    let sentence = "is of a picture of 3 × 2 pixels, the other of 2 × 3";
    assert_eq!(told(one.union(&other)), sentence);
    assert_eq!(
        one.iou(&other).expect_err("sizes differ").to_string(),
        sentence
    );
}

/// Corners far outside, and long edges, take no longer than those within.
#[test]
fn only_what_is_in_the_picture_takes_time() {
    let far = 4e8;
    let polygon = [-far, -far, far, -far + 7.0, far, far, -far + 3.0, far];
    let polygons = vec![polygon.to_vec(); 100];
    let mask = Rle::from_polygons([50, 60], &polygons).expect("polygons");
    assert_eq!(mask.area(), 50 * 60);
    let steep = [0.0, -far, 60.0, far, 0.0, far];
    let mask = Rle::from_polygons([50, 60], &[steep]).expect("a polygon");
    // The edge goes down the middle column.
    assert_eq!(mask.bbox(), Some([0, 0, 30, 50]));
}

prop_compose! {
    fn any_bitmap()(height in 1..12_usize, width in 1..12_usize)
        (bitmap in prop::collection::vec(any::<bool>(), height * width), height in Just(height), width in Just(width))
        -> ([usize; 2], Vec<bool>) {
        ([height, width], bitmap)
    }
}

proptest! {
    #[test]
    fn pixels_come_back((size, bitmap) in any_bitmap()) {
        let mask = Rle::from_bitmap(size, &bitmap).expect("pixels");
        prop_assert_eq!(mask.to_bitmap(), bitmap.clone());
        prop_assert_eq!(mask.area(), bitmap.iter().filter(|pixel| **pixel).count());
        prop_assert_eq!(read(size, &mask.to_counts_string()), mask);
    }

    /// Lengths of any number of digits; the last run fills the picture.
    #[test]
    fn texts_come_back(counts in prop::collection::vec(prop_oneof![0..40_u32, 0..1_u32 << 28], 1..14)) {
        let sum: usize = counts.iter().map(|&count| count as usize).sum();
        let size = [1, sum + 1];
        let mask = Rle::from_counts(size, counts.into_iter().chain([1])).expect("runs");
        prop_assert_eq!(read(size, &mask.to_counts_string()), mask);
    }

    #[test]
    fn no_text_breaks_it(text in "[0-o]{0,12}|\\PC{0,6}", height in 0..9_usize, width in 0..9_usize) {
        if let Ok(mask) = Rle::from_counts_string([height, width], &text) {
            let sum: u32 = mask.counts().iter().sum();
            prop_assert_eq!(sum as usize, height * width);
            prop_assert!(mask.counts().iter().skip(1).all(|&count| count > 0));
        }
    }

    #[test]
    fn set_operations_are_those_of_pixels((size, here) in any_bitmap(), seed in any::<u64>()) {
        let there: Vec<bool> = (0..here.len()).map(|pixel| seed >> (pixel % 61) & 1 == 1).collect();
        let [one, other] = [&here, &there].map(|bitmap| Rle::from_bitmap(size, bitmap).expect("pixels"));
        let of = |is_set: fn(bool, bool) -> bool| {
            let pixels = here.iter().zip(&there).map(|(&here, &there)| is_set(here, there));
            Rle::from_bitmap(size, &pixels.collect::<Vec<_>>())
        };
        prop_assert_eq!(one.union(&other), of(|here, there| here || there));
        prop_assert_eq!(one.intersection(&other), of(|here, there| here && there));
        prop_assert_eq!(one.iou(&other), other.iou(&one));
    }

    #[test]
    fn a_pasted_mask_lies_within_its_box_and_its_border(
        side in 1..9_usize, x in -20..60_i16, y in -20..60_i16, width in 0..50_u16, height in 0..50_u16,
    ) {
        let [x, y] = [x, y].map(f32::from);
        let [width, height] = [width, height].map(f32::from);
        let mask = Rle::paste(&vec![1.0; side * side], side, [x, y, x + width, y + height], [40, 50]);
        if let Some([x1, y1, x2, y2]) = mask.expect("a box").bbox() {
            // Half a cell of the border, and the pixel that torchvision adds.
            let [more_x, more_y] = [width, height].map(|side_length| side_length / side as f32 / 2.0 + 2.0);
            prop_assert!(x1 as f32 >= x - more_x && x2 as f32 <= x + width + more_x);
            prop_assert!(y1 as f32 >= y - more_y && y2 as f32 <= y + height + more_y);
        }
    }
}
