//! PixelShuffle against PyTorch's.

use burn::tensor::Tensor;
use fpn_wgpu::ops::pixel_shuffle::pixel_shuffle;

use crate::support::TensorFile;

#[test]
fn pixel_shuffle_is_that_of_pytorch() {
    let golden = TensorFile::golden("pixel_shuffle");
    for case in golden.metadata("cases").split(' ') {
        let input: Tensor<4> = golden.tensor(&format!("{case}.input"));
        let factor = case[1..2].parse().expect("a factor of one digit");
        let found = pixel_shuffle(input, factor).into_data();
        let expected = golden.floats(&format!("{case}.output"));
        assert_eq!(
            found.shape().to_vec(),
            golden.shape(&format!("{case}.output")),
            "{case}"
        );
        assert_eq!(
            found.try_to_vec::<f32>().expect("floats"),
            expected,
            "{case}"
        );
    }
}

#[test]
#[should_panic(expected = "6 channels are no squares of 2 by 2")]
fn channels_that_make_no_squares_are_refused() {
    let map = Tensor::<4>::zeros([1, 6, 2, 2], &burn::tensor::Device::flex());
    pixel_shuffle(map, 2);
}
