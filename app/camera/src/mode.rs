//! Which of a camera's modes is taken.

use std::cmp::Reverse;

use crate::format::Format;

/// Fewest frames per second that pass for moving pictures.
const FLUENT: f64 = 15.0;

/// A way that a camera can send pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    pub format: Format,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Most frames per second, where it is known.
    pub rate: Option<f64>,
}

impl Mode {
    /// Of the modes whose size is nearest to the wanted one the best: in colour, fluent, uncompressed,
    /// in this order of importance. None if there are no modes.
    pub fn choose(modes: &[Self], wanted: [u32; 2]) -> Option<Self> {
        let nearest = modes.iter().map(|mode| mode.size).min_by_key(|size| {
            // Of two sizes that are as near, the larger.
            (distance(*size, wanted), Reverse(area(*size)))
        })?;
        let modes = modes.iter().filter(|mode| mode.size == nearest);
        modes.copied().min_by(|a, b| {
            let (a, b) = (a.rank(), b.rank());
            a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    /// The less, the better.
    fn rank(&self) -> (bool, f64, bool, Format) {
        let is_fluent = self.rate.is_none_or(|rate| rate >= FLUENT);
        let lack = match (is_fluent, self.rate) {
            (false, Some(rate)) => FLUENT - rate,
            _ => 0.0,
        };
        (
            self.format == Format::Grey,
            lack,
            self.format == Format::Mjpeg,
            self.format,
        )
    }
}

/// The modes' sizes, the largest first, each once.
pub fn sizes(modes: &[Mode]) -> Vec<[u32; 2]> {
    let mut sizes: Vec<_> = modes.iter().map(|mode| mode.size).collect();
    sizes.sort_unstable_by_key(|size| Reverse((area(*size), *size)));
    sizes.dedup();
    sizes
}

fn area([width, height]: [u32; 2]) -> u64 {
    u64::from(width) * u64::from(height)
}

fn distance(a: [u32; 2], b: [u32; 2]) -> u64 {
    let side = |index: usize| u64::from(a[index].abs_diff(b[index]));
    side(0) + side(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(format: Format, size: [u32; 2], rate: impl Into<Option<f64>>) -> Mode {
        let rate = rate.into();
        Mode { format, size, rate }
    }

    const VGA: [u32; 2] = [640, 480];
    const HD: [u32; 2] = [1280, 720];

    #[test]
    fn nearest_size_first() {
        let modes = [
            mode(Format::Yuyv, VGA, 30.0),
            mode(Format::Mjpeg, HD, 30.0),
            mode(Format::Yuyv, [320, 240], 30.0),
        ];
        assert_eq!(Mode::choose(&modes, [1000, 700]), Some(modes[1]));
        assert_eq!(Mode::choose(&modes, [700, 400]), Some(modes[0]));
        assert_eq!(Mode::choose(&modes, [1, 1]), Some(modes[2]));
        assert_eq!(Mode::choose(&modes, [u32::MAX; 2]), Some(modes[1]));
        assert_eq!(Mode::choose(&[], VGA), None);
    }

    #[test]
    fn uncompressed_unless_slow() {
        let jpeg = mode(Format::Mjpeg, HD, 30.0);
        let fast = mode(Format::Yuyv, HD, 15.0);
        let slow = mode(Format::Yuyv, HD, 10.0);
        let unknown = mode(Format::Nv12, HD, None);
        assert_eq!(Mode::choose(&[jpeg, fast], HD), Some(fast));
        assert_eq!(Mode::choose(&[slow, jpeg], HD), Some(jpeg));
        assert_eq!(Mode::choose(&[jpeg, unknown], HD), Some(unknown));
        let slow_jpeg = mode(Format::Mjpeg, HD, 5.0);
        assert_eq!(Mode::choose(&[slow_jpeg, slow], HD), Some(slow));
    }

    #[test]
    fn colour_before_grey() {
        let grey = mode(Format::Grey, VGA, 60.0);
        let slow = mode(Format::Yuyv, VGA, 5.0);
        assert_eq!(Mode::choose(&[grey, slow], VGA), Some(slow));
        assert_eq!(Mode::choose(&[grey], VGA), Some(grey));
    }

    #[test]
    fn sizes_once_largest_first() {
        let modes = [
            mode(Format::Yuyv, VGA, None),
            mode(Format::Yuyv, HD, None),
            mode(Format::Mjpeg, VGA, None),
            mode(Format::Yuyv, [480, 640], None),
        ];
        assert_eq!(sizes(&modes), [HD, VGA, [480, 640]]);
    }
}
