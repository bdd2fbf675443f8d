//! RoIPool against torchvision's, and against its definition.

use burn::tensor::{Device, Tensor, TensorData};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::roi_pool::{RoiPoolOptions, pool, roi_pool};
use proptest::prelude::*;

use crate::random;
use crate::support::TensorFile;

#[test]
fn roi_pool_is_that_of_torchvision() {
    let golden = TensorFile::golden("roi_pool");
    let boxes: Tensor<2> = golden.tensor("boxes");
    let count = Tensor::from_data([boxes.dims()[0] as i32], &Device::flex());
    for output in [[7, 7], [3, 5], [1, 1]] {
        let options = RoiPoolOptions { output, stride: 16 };
        let input = golden.tensor("input");
        let found = roi_pool(input, boxes.clone(), count.clone(), options).into_data();
        let name = format!("output.{}x{}", output[0], output[1]);
        assert_eq!(found.shape().to_vec(), golden.shape(&name), "{name}");
        let found: Vec<f32> = found.try_to_vec().expect("floats");
        assert_eq!(found, golden.floats(&name), "{name}");
    }
}

/// A map of one channel whose values grow to the right and down.
fn growing(height: usize, width: usize) -> Vec<f32> {
    let cells = 0..height * width;
    cells
        .map(|cell| (cell / width) as f32 + (cell % width) as f32 / 1000.0)
        .collect()
}

/// Where quotients of floats reach a cell too far: 7 · (57 / 7) is more than 57 in f32.
#[test]
fn parts_end_at_whole_quotients() {
    let values = growing(1, 64);
    let map = Map {
        values: &values,
        shape: [1, 1, 64],
    };
    let options = RoiPoolOptions {
        output: [1, 7],
        stride: 1,
    };
    let mut found = [0.0; 7];
    pool(&map, [0.0, 0.0, 56.0, 0.0], options, &mut found);
    let last = [9, 17, 25, 33, 41, 49, 57].map(|end| (end - 1) as f32 / 1000.0);
    assert_eq!(found, last);
}

#[test]
fn a_box_of_no_sense_is_cropped_as_zeros() {
    let values = [1.0; 12];
    let map = Map {
        values: &values,
        shape: [1, 3, 4],
    };
    let options = RoiPoolOptions {
        output: [2, 2],
        stride: 1,
    };
    for bbox in [
        [f32::NAN; 4],
        [0.0, 0.0, f32::INFINITY, 2.0],
        [0.0, 0.0, 3e7, 3e7],
        [2.0, 2.0, 1.0, 1.0],
        [-9.0, -9.0, -5.0, -5.0],
    ] {
        let mut found = [7.0; 4];
        pool(&map, bbox, options, &mut found);
        assert_eq!(found, [0.0; 4], "{bbox:?}");
    }
}

#[test]
#[should_panic(expected = "RoIs of [7, 0] cells are cropped at stride 16, where none is 0")]
fn an_output_without_cells_is_told() {
    let device = Device::flex();
    let options = RoiPoolOptions {
        output: [7, 0],
        stride: 16,
    };
    let map = Tensor::ones([1, 1, 2, 2], &device);
    roi_pool(
        map,
        Tensor::ones([1, 4], &device),
        Tensor::from_data([1], &device),
        options,
    );
}

#[test]
fn no_boxes_give_no_rois() {
    let device = Device::flex();
    let boxes = Tensor::from_data(TensorData::new(Vec::<f32>::new(), [0, 4]), &device);
    let options = RoiPoolOptions {
        output: [7, 7],
        stride: 16,
    };
    let map = Tensor::ones([1, 3, 2, 2], &device);
    let rois = roi_pool(map, boxes, Tensor::from_data([0], &device), options);
    assert_eq!(rois.dims(), [0, 3, 7, 7]);
}

proptest! {
    /// The largest of the cells that share something with a part, by fractions in place of rounding.
    #[test]
    fn a_cell_is_the_largest_of_its_part(
        seed in any::<u64>(),
        [height, width] in prop::array::uniform2(1..20_usize),
        [rows, columns] in prop::array::uniform2(1..9_usize),
        corner in prop::array::uniform2(-10..25_i32),
        sides in prop::array::uniform2(0..30_i32),
    ) {
        let values = random::values(seed, "map", height * width);
        let map = Map { values: &values, shape: [1, height, width] };
        let options = RoiPoolOptions { output: [rows, columns], stride: 4 };
        // Up to a pixel and a half off a cell's place, which rounds to it.
        let off = random::values(seed, "off", 4);
        let ends = [corner[0], corner[1], corner[0] + sides[0], corner[1] + sides[1]];
        let bbox: [f32; 4] = std::array::from_fn(|k| 4.0 * ends[k] as f32 + 1.5 * off[k]);
        prop_assume!(bbox[0] <= bbox[2] && bbox[1] <= bbox[3]);
        let mut found = vec![0.0; rows * columns];
        pool(&map, bbox, options, &mut found);
        let shares = |cell: usize, first: i32, side: i32, part: usize, parts: usize| {
            let size = f64::from(side + 1) / parts as f64;
            let from = f64::from(first) + part as f64 * size;
            (cell as f64 + 1.0 - 1e-9) > from && (cell as f64 + 1e-9) < from + size
        };
        for (cell, found) in found.iter().enumerate() {
            let mut expected = None;
            for (place, value) in values.iter().enumerate() {
                let is_inside = shares(place / width, corner[1], sides[1], cell / columns, rows)
                    && shares(place % width, corner[0], sides[0], cell % columns, columns);
                if is_inside {
                    expected = Some(expected.map_or(*value, |most: f32| most.max(*value)));
                }
            }
            prop_assert_eq!(*found, expected.unwrap_or(0.0), "cell {}", cell);
        }
    }
}
