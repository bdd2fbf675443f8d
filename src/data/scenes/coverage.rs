//! Who is seen where: keeps objects from hiding each other.

use super::figure::Figure;

/// No object's number.
const NOBODY: u8 = u8::MAX;

/// For every pixel the topmost object, and for every object how much of it is left to see.
pub(super) struct Coverage {
    width: usize,
    height: usize,
    topmost: Vec<u8>,
    /// Pixels of an object, those beyond the picture's border included.
    whole: Vec<usize>,
    /// Pixels of an object that are seen.
    seen: Vec<usize>,
}

impl Coverage {
    pub fn new([height, width]: [usize; 2]) -> Self {
        Self {
            width,
            height,
            topmost: vec![NOBODY; width * height],
            whole: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Lay a figure over those that are there, unless less than the `least` share of it, or of
    /// one below it, would be seen. Whether it was laid.
    pub fn lay(&mut self, figure: &Figure, least: f32) -> bool {
        let number = self.whole.len();
        if number >= usize::from(NOBODY) {
            return false;
        }
        let Some((mask, [left, top])) = figure.mask() else {
            return false;
        };
        let mut whole = 0;
        let mut pixels = Vec::new();
        let mut lost = vec![0; number];
        for (y, row) in mask.data().chunks_exact(mask.width() as usize).enumerate() {
            for (x, _) in row.iter().enumerate().filter(|&(_, &alpha)| alpha >= 128) {
                whole += 1;
                let (x, y) = (x as i32 + left, y as i32 + top);
                if (0..self.width as i32).contains(&x) && (0..self.height as i32).contains(&y) {
                    let pixel = y as usize * self.width + x as usize;
                    pixels.push(pixel);
                    if let Some(lost) = lost.get_mut(usize::from(self.topmost[pixel])) {
                        *lost += 1;
                    }
                }
            }
        }
        let enough = |seen: usize, whole: usize| seen as f32 >= least * whole as f32;
        let fits = whole > 0
            && enough(pixels.len(), whole)
            && (0..number).all(|i| lost[i] == 0 || enough(self.seen[i] - lost[i], self.whole[i]));
        if fits {
            self.whole.push(whole);
            self.seen.push(pixels.len());
            for (seen, lost) in self.seen.iter_mut().zip(lost) {
                *seen -= lost;
            }
            for pixel in pixels {
                self.topmost[pixel] = number as u8;
            }
        }
        fits
    }

    /// Which share of object `number`, in the order of laying, is seen.
    pub fn visible(&self, number: usize) -> f32 {
        self.seen[number] as f32 / self.whole[number] as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scenes::projection::Projection;
    use crate::data::scenes::shape::Shape;

    /// A disc of radius 10.
    fn disc(x: f32) -> Figure {
        let projection = Projection::placed([x, 50.0], 10.0, 0.0);
        Figure::new(&Shape::Circle.contours(0.0), projection, true, 0.0).unwrap()
    }

    #[test]
    fn nothing_is_hidden_beyond_measure() {
        let mut coverage = Coverage::new([100, 100]);
        assert!(coverage.lay(&disc(50.0), 0.5));
        assert!(!coverage.lay(&disc(52.0), 0.5));
        assert_eq!(coverage.visible(0), 1.0);
        assert!(coverage.lay(&disc(60.0), 0.5));
        assert!((0.5..0.7).contains(&coverage.visible(0)));
        assert_eq!(coverage.visible(1), 1.0);
    }

    #[test]
    fn the_border_hides_too() {
        let mut coverage = Coverage::new([100, 100]);
        assert!(!coverage.lay(&disc(-3.0), 0.5));
        assert!(coverage.lay(&disc(3.0), 0.5));
        assert!((0.5..0.8).contains(&coverage.visible(0)));
    }
}
