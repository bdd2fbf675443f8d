//! Filters as Winograd's F(4×4, 3×3) multiplies them (Lavin and Gray, 2016,
//! <https://arxiv.org/abs/1509.09308>).

/// Products of a tile.
pub(crate) const FREQUENCIES: usize = 36;

const G: [[f64; 3]; 6] = [
    [0.25, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// The filters of one output, `[in, 3, 3]`, as `G g Gᵀ` each, `[in, 6, 6]`.
pub(super) fn transformed(filters: &[f32]) -> Vec<f32> {
    let mut all = Vec::with_capacity(filters.len() / 9 * FREQUENCIES);
    for filter in filters.chunks_exact(9) {
        let value = |y: usize, x: usize| f64::from(filter[y * 3 + x]);
        let down = G.map(|g| [0, 1, 2].map(|x| (0..3).map(|y| g[y] * value(y, x)).sum::<f64>()));
        for row in down {
            let products = G.map(|g| (0..3).map(|x| row[x] * g[x]).sum::<f64>() as f32);
            all.extend(products);
        }
    }
    all
}

#[cfg(all(test, feature = "verify"))]
mod tests {
    use super::super::reference::conv;
    use super::*;
    use crate::kernels::checks::{Random, Vec4};
    use crate::kernels::conv::{ConvShape, Params};
    use crate::kernels::winograd_input::winograd_input;
    use crate::kernels::winograd_output::winograd_output;

    /// The three steps together are the convolution.
    #[test]
    fn tiles_give_what_the_definition_gives() {
        let random = &mut Random::new(1);
        let mut blocks = |count: usize| -> Vec<Vec4> {
            let words = random.floats(4 * count);
            let values = words.into_iter().map(f32::from_bits);
            values.collect::<Vec<_>>().as_chunks().0.to_vec()
        };
        let (inputs, outputs, size) = (12, 8, [7, 10]);
        let (image, bias) = (blocks(size[0] * size[1] * inputs / 4), blocks(outputs / 4));
        // [in][ky][kx] of each output.
        let filters = blocks(outputs * inputs * 9 / 4);
        let filters = filters.as_flattened();
        let packed = |taps: usize, filters: &dyn Fn(usize) -> Vec<f32>| -> Vec<Vec4> {
            let mut values = vec![0.0; taps * inputs * outputs];
            for output in 0..outputs {
                for (index, value) in filters(output).into_iter().enumerate() {
                    let (input, tap) = (index / taps, index % taps);
                    values[(tap * inputs + input) * outputs + output] = value;
                }
            }
            values.as_chunks().0.to_vec()
        };
        let of = |output: usize| filters[output * inputs * 9..][..inputs * 9].to_vec();
        let tiles = 6;
        let shape = ConvShape {
            slopes: [0.0, 1.0],
            ..ConvShape::same(size, inputs, outputs)
        };
        let params = shape.params([0, tiles]);
        let zeros = |count: usize| vec![[0.0; 4]; count];

        let mut expected = zeros(size[0] * size[1] * outputs / 4);
        let weights = packed(9, &of);
        conv(
            &params,
            1,
            &image,
            &mut expected,
            &weights,
            Some(&bias),
            None,
        );

        let mut tiled = zeros(FREQUENCIES * tiles * inputs / 4);
        winograd_input(&params, &image, &mut tiled);
        let mut products = zeros(FREQUENCIES * tiles * outputs / 4);
        let weights = packed(FREQUENCIES, &|output| transformed(&of(output)));
        let matrix = Params::matrix(tiles, inputs, outputs);
        conv(
            &matrix,
            FREQUENCIES,
            &tiled,
            &mut products,
            &weights,
            None,
            None,
        );
        let mut found = zeros(expected.len());
        winograd_output(&params, &products, &mut found, &bias, None);

        for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{found} instead of {expected}"
            );
        }
    }
}
