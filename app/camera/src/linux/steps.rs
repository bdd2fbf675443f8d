//! Sizes that a driver tells as a range.

/// What is offered of a range: what webcams usually have.
const USUAL: [[u32; 2]; 6] = [
    [320, 240],
    [640, 360],
    [640, 480],
    [1280, 720],
    [1920, 1080],
    [3840, 2160],
];

/// All sizes, width and height in pixels, from the least to the largest in such steps.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub min: [u32; 2],
    pub max: [u32; 2],
    pub step: [u32; 2],
}

impl Steps {
    /// The usual sizes in the range, its largest, and the one that is nearest below the wanted one.
    pub fn sizes(&self, wanted: Option<[u32; 2]>) -> Vec<[u32; 2]> {
        let usual = USUAL.into_iter().filter(|size| self.snap(*size) == *size);
        let nearest = wanted.map(|size| self.snap(size));
        usual.chain([self.snap(self.max)]).chain(nearest).collect()
    }

    fn snap(&self, size: [u32; 2]) -> [u32; 2] {
        [0, 1].map(|side| {
            let (min, step) = (self.min[side], self.step[side].max(1));
            let within = size[side].min(self.max[side]).max(min);
            min + (within - min) / step * step
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_largest_and_wanted() {
        let range = Steps {
            min: [48, 32],
            max: [1282, 961],
            step: [4, 1],
        };
        let expected = [[320, 240], [640, 360], [640, 480], [1280, 720]];
        assert_eq!(range.sizes(None)[..4], expected);
        assert_eq!(range.sizes(None)[4..], [[1280, 961]]);
        assert_eq!(range.sizes(Some([701, 5000])).last(), Some(&[700, 961]));
        assert_eq!(range.sizes(Some([0, 0])).last(), Some(&[48, 32]));
    }

    #[test]
    fn nonsense_of_drivers() {
        let range = Steps {
            min: [640, 480],
            max: [320, 0],
            step: [0, u32::MAX],
        };
        assert_eq!(range.sizes(Some([1, u32::MAX])).last(), Some(&[640, 480]));
    }
}
