//! Pictures out of common proportions, cut around their objects, as faster-rcnn.pytorch does.

use image::imageops::crop_imm;
use rand::{Rng, RngExt};

use super::order::RATIOS;
use crate::data::Example;

/// The picture cut to a width of at most twice its height, or the other way round, so that as many of its objects
/// as can be stay; where the cut lies is left to chance. Objects that nothing is left of are dropped.
pub(super) fn crop(example: &mut Example, chance: &mut impl Rng) {
    let (width, height) = example.picture.dimensions();
    let [narrow, wide] = RATIOS;
    let most = [
        (f64::from(width) / narrow) as u32,
        (f64::from(height) * wide).ceil() as u32,
    ];
    let (axis, side, trim) = match [height > most[0], width > most[1]] {
        [true, _] => (1, height, most[0]),
        [_, true] => (0, width, most[1]),
        _ => return,
    };
    let boxes = example.objects.iter().map(|object| object.bbox);
    let low = boxes
        .clone()
        .map(|bbox| bbox[axis])
        .fold(side as f32, f32::min);
    let high = boxes.map(|bbox| bbox[axis + 2]).fold(0.0, f32::max);
    let start = start([low.floor() as u32, high.ceil() as u32], side, trim, chance);
    let (origin, size) = match axis {
        0 => ([start, 0], [trim, height]),
        _ => ([0, start], [width, trim]),
    };
    let part = crop_imm(&example.picture, origin[0], origin[1], size[0], size[1]);
    example.picture = part.to_image();
    example.objects.retain_mut(|object| {
        for end in [axis, axis + 2] {
            object.bbox[end] = (object.bbox[end] - start as f32).clamp(0.0, trim as f32);
        }
        object.bbox[axis] < object.bbox[axis + 2]
    });
}

/// Where a part `trim` long of a side begins, of which objects are within `low` and `high`.
fn start([low, high]: [u32; 2], side: u32, trim: u32, chance: &mut impl Rng) -> u32 {
    let region = high.saturating_sub(low);
    let range = match region <= trim {
        // All of them.
        true => high.saturating_sub(trim)..=low.min(side - trim),
        // From the first on, or up to half of what is too much later.
        false => low..=low + (region - trim) / 2,
    };
    chance.random_range(range)
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::data::Object;

    /// Of a picture whose red tells the column and whose green tells the row.
    fn example(width: u32, height: u32, boxes: &[[f32; 4]]) -> Example {
        let object = |&bbox| Object {
            bbox,
            label: 1,
            area: 1.0,
            crowd: false,
            difficult: false,
        };
        Example {
            picture: RgbaImage::from_fn(width, height, |x, y| {
                image::Rgba([x as u8, y as u8, 0, 255])
            }),
            objects: boxes.iter().map(object).collect(),
        }
    }

    #[test]
    fn what_is_too_long_is_cut_around_its_objects() {
        for seed in 0..20 {
            let mut chance = Pcg64Mcg::seed_from_u64(seed);
            let mut wide = example(
                200,
                30,
                &[[100.0, 5.0, 120.0, 20.0], [90.0, 0.0, 95.0, 9.0]],
            );
            crop(&mut wide, &mut chance);
            assert_eq!(wide.picture.dimensions(), (60, 30));
            let first = f32::from(wide.picture.get_pixel(0, 0).0[0]);
            assert!((60.0..=90.0).contains(&first));
            let found: Vec<f32> = wide.objects.iter().map(|object| object.bbox[0]).collect();
            assert_eq!(found, [100.0 - first, 90.0 - first]);

            // Farther apart than there is room for: the first is kept, the last may be lost.
            let mut high = example(
                20,
                200,
                &[[1.0, 10.0, 9.0, 14.0], [0.0, 150.0, 20.0, 190.0]],
            );
            crop(&mut high, &mut chance);
            assert_eq!(high.picture.dimensions(), (20, 40));
            let first = f32::from(high.picture.get_pixel(0, 0).0[1]);
            assert!((10.0..=80.0).contains(&first));
            assert!(high.objects.iter().all(|object| object.bbox[3] <= 40.0));
        }
    }

    #[test]
    fn common_proportions_stay() {
        let mut chance = Pcg64Mcg::seed_from_u64(1);
        for (width, height) in [(60, 30), (30, 60), (50, 50)] {
            let mut kept = example(width, height, &[[1.0, 1.0, 9.0, 9.0]]);
            crop(&mut kept, &mut chance);
            assert_eq!(kept.picture.dimensions(), (width, height));
        }
    }
}
