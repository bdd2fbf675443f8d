//! Scenes as a data set.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{Scene, camera, class_names};
use crate::data::{DataError, Example, ImageSet};

/// Heights and widths of pictures, in pixels.
const SIZES: [[usize; 2]; 5] = [[384, 384], [336, 448], [448, 336], [352, 416], [416, 352]];

/// A list of scenes as a camera takes them. Picture `index` is a pure function of the seed and of
/// `index`: a longer list of the same seed begins with the same pictures.
#[derive(Clone, Debug)]
pub struct SceneSet {
    seed: u64,
    count: usize,
    class_names: Vec<String>,
}

impl SceneSet {
    /// `count` scenes of a seed.
    pub fn new(seed: u64, count: usize) -> Self {
        Self {
            seed,
            count,
            class_names: class_names(),
        }
    }

    /// What picture `index` is drawn by.
    fn generator(&self, index: usize) -> Pcg64Mcg {
        // Twice through the seeding's mixer, so that neighbours have nothing in common.
        let start = Pcg64Mcg::seed_from_u64(self.seed).next_u64();
        Pcg64Mcg::seed_from_u64(start.wrapping_add(index as u64))
    }

    fn size_by(rng: &mut Pcg64Mcg) -> [usize; 2] {
        SIZES[rng.random_range(0..SIZES.len() as u32) as usize]
    }
}

impl ImageSet for SceneSet {
    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        format!("scenes:{}#{index}", self.seed)
    }

    fn size(&self, index: usize) -> [usize; 2] {
        Self::size_by(&mut self.generator(index))
    }

    fn has_objects(&self, _index: usize) -> bool {
        true
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let mut rng = self.generator(index);
        let size = Self::size_by(&mut rng);
        let drawn = Scene::draw(rng.next_u64(), size);
        Ok(Example {
            picture: camera::take(drawn.picture, &mut rng),
            ..drawn
        })
    }
}
