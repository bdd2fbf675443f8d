//! How a flat shape comes to lie in the picture: turned, tilted, moved.

/// A camera's distance from what it looks at, in radii of the shape: the nearer, the stronger the
/// perspective.
const DISTANCE: f32 = 4.0;

/// A projective map of the plane: rows of a 3×3 matrix for `[x, y, 1]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Projection([[f32; 3]; 3]);

impl Projection {
    /// Turned by `turn` (radians), enlarged by `scale`, moved to `centre`.
    pub fn placed([x, y]: [f32; 2], scale: f32, turn: f32) -> Self {
        let (sin, cos) = turn.sin_cos();
        Self([
            [scale * cos, -scale * sin, x],
            [scale * sin, scale * cos, y],
            [0.0, 0.0, 1.0],
        ])
    }

    /// A unit disc that is turned out of the picture's plane by `angle` about an axis in it, seen
    /// in perspective. Both in radians.
    pub fn tilted(axis: f32, angle: f32) -> Self {
        let (ay, ax) = axis.sin_cos();
        let (nx, ny) = (-ay, ax);
        let (sin, cos) = angle.sin_cos();
        Self([
            [ax * ax + cos * nx * nx, ax * ay + cos * nx * ny, 0.0],
            [ax * ay + cos * nx * ny, ay * ay + cos * ny * ny, 0.0],
            [nx * sin / DISTANCE, ny * sin / DISTANCE, 1.0],
        ])
    }

    /// How much it enlarges, about, what lies at the origin.
    pub fn scale(self) -> f32 {
        let [[a, b, _], [c, d, _], _] = self.0;
        (a * d - b * c).abs().sqrt() / self.0[2][2]
    }

    /// First this, then `next`.
    pub fn then(self, next: Self) -> Self {
        let mut product = [[0.0; 3]; 3];
        for (row, out) in next.0.iter().zip(&mut product) {
            for (column, out) in out.iter_mut().enumerate() {
                *out = (0..3).map(|k| row[k] * self.0[k][column]).sum();
            }
        }
        Self(product)
    }

    /// Where a point comes to lie.
    pub fn apply(self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [px, py, w] = self.0.map(|row| row[0] * x + row[1] * y + row[2]);
        [px / w, py / w]
    }
}
