//! RoIPool over a batch, and its gradient.

use burn::tensor::{Int, Tensor, TensorData};
use fpn_wgpu::ops::roi_pool::{RoiPoolOptions, roi_pool};

use crate::{random, values};

const OPTIONS: RoiPoolOptions = RoiPoolOptions {
    output: [3, 2],
    stride: 16,
};

/// Of two pictures, five cells high and seven wide: whole, inside, over the edge, of no size, outside, and one that
/// no picture has.
const BOXES: [[f32; 4]; 7] = [
    [0.0, 0.0, 111.0, 79.0],
    [17.0, 30.0, 60.0, 70.0],
    [70.0, 40.0, 190.0, 140.0],
    [33.0, 33.0, 33.0, 33.0],
    [300.0, 300.0, 340.0, 350.0],
    [20.0, 50.0, 10.0, 60.0],
    [0.0, 0.0, 111.0, 79.0],
];
const COUNTS: [i32; 2] = [3, 4];

fn boxes(of: &[[f32; 4]]) -> Tensor<2> {
    let data = TensorData::new(of.as_flattened().to_vec(), [of.len(), 4]);
    Tensor::from_data(data, &burn::tensor::Device::flex())
}

fn count(of: &[i32]) -> Tensor<1, Int> {
    let data = TensorData::new(of.to_vec(), [of.len()]);
    Tensor::from_data(data, &burn::tensor::Device::flex())
}

fn maps() -> Tensor<4> {
    random::tensor(3, "maps", [2, 4, 5, 7])
}

#[test]
fn each_picture_has_its_own_rois() {
    let together = roi_pool(maps(), boxes(&BOXES), count(&COUNTS), OPTIONS);
    let (first, second) = BOXES.split_at(COUNTS[0] as usize);
    let alone = [first, second]
        .into_iter()
        .enumerate()
        .map(|(picture, rows)| {
            let map = maps().narrow(0, picture, 1);
            roi_pool(map, boxes(rows), count(&[rows.len() as i32]), OPTIONS)
        });
    let alone = Tensor::cat(alone.collect(), 0);
    assert_eq!(together.into_data(), alone.into_data());
}

/// Values of a random map differ, so that each tells where it comes from.
#[test]
fn gradients_go_where_values_come_from() {
    let map = maps().autodiff().require_grad();
    let rois = roi_pool(
        map.clone(),
        boxes(&BOXES).autodiff(),
        count(&COUNTS).autodiff(),
        OPTIONS,
    );
    let upstream: Tensor<4> = random::tensor(3, "gradient", [7, 4, 3, 2]);
    let loss = (rois.clone() * upstream.clone().autodiff()).sum();
    let learnt = values(&map.grad(&loss.backward()).expect("it learns"));

    let (map, rois, upstream) = (values(&map), values(&rois), values(&upstream));
    let mut expected = vec![0.0; map.len()];
    for (index, (&value, &gradient)) in rois.iter().zip(&upstream).enumerate() {
        let (row, channel) = (index / 24, index / 6 % 4);
        let plane = (usize::from(row >= 3) * 4 + channel) * 35;
        let from = (plane..plane + 35).find(|&cell| map[cell] == value);
        match from {
            Some(cell) => expected[cell] += gradient,
            // Where a part has no cells.
            None => assert_eq!(value, 0.0),
        }
    }
    let off = learnt
        .iter()
        .zip(&expected)
        .map(|(a, b): (&f32, &f32)| (a - b).abs());
    assert!(off.fold(0.0, f32::max) < 1e-5);
    assert!(expected.iter().any(|&gradient| gradient != 0.0));
}
