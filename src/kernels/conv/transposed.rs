//! Transposed convolution as a convolution: of each cell it makes all of a stride's cells, as channels.

/// Filters `[in, out, ky, kx]` of a transposed convolution as those of a convolution of stride 1 that makes, of
/// each cell, the cells `[a, b]` of a stride's square, and of each the outputs: `[a, b, out][in][my][mx]`, with
/// windows of as many cells as reach one. The shape, and the values.
///
/// Row `a + stride · m` of a filter is what a cell adds to row `a` of the square `m` further down; a window
/// reads the cells from the last to the first.
pub(crate) fn cells(
    values: &[f32],
    [inputs, outputs, height, width]: [usize; 4],
    stride: [usize; 2],
) -> ([usize; 4], Vec<f32>) {
    let reach = reach([height, width], stride);
    let shape = [stride[0] * stride[1] * outputs, inputs, reach[0], reach[1]];
    let mut made = vec![0.0; shape.iter().product()];
    let places = (0..inputs).flat_map(|input| (0..outputs).map(move |output| (input, output)));
    for (index, (input, output)) in places.enumerate() {
        for y in 0..height {
            for x in 0..width {
                let cell = y % stride[0] * stride[1] + x % stride[1];
                let [my, mx] = [reach[0] - 1 - y / stride[0], reach[1] - 1 - x / stride[1]];
                let filter = (cell * outputs + output) * inputs + input;
                let place = (filter * reach[0] + my) * reach[1] + mx;
                made[place] = values[(index * height + y) * width + x];
            }
        }
    }
    (shape, made)
}

/// Cells that one of a stride's squares is made of, down and across.
pub(crate) fn reach(kernel: [usize; 2], stride: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|axis| kernel[axis].div_ceil(stride[axis]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_a_strides_size_become_points() {
        // One input, two outputs, 2 × 2 cells each.
        let values: Vec<f32> = (1..=8).map(|value| value as f32).collect();
        let (shape, made) = cells(&values, [1, 2, 2, 2], [2, 2]);
        assert_eq!(shape, [8, 1, 1, 1]);
        assert_eq!(made, [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    }

    #[test]
    fn what_reaches_further_is_read_from_the_cell_before() {
        let (shape, made) = cells(&[1.0, 2.0, 3.0], [1, 1, 3, 1], [2, 1]);
        assert_eq!(shape, [2, 1, 2, 1]);
        // Row 0 of a square: of the cell before by the third value, of its own by the first.
        assert_eq!(made, [3.0, 1.0, 0.0, 2.0]);
    }
}
