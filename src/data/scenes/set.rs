//! Scenes as a data set.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{Scene, camera, class_names};
use crate::data::{DataError, Example, ImageSet};

/// Heights and widths of pictures, in pixels.
const SIZES: [[usize; 2]; 5] = [[384, 384], [336, 448], [448, 336], [352, 416], [416, 352]];
/// The same of those with small objects only.
const SMALL_SIZES: [[usize; 2]; 3] = [[128, 128], [96, 128], [128, 96]];

/// A list of scenes as a camera takes them. Picture `index` is a pure function of the seed and of
/// `index`: a longer list of the same seed begins with the same pictures.
#[derive(Clone, Debug)]
pub struct SceneSet {
    seed: u64,
    count: usize,
    /// Whether all objects are small.
    is_small: bool,
    class_names: Vec<String>,
}

impl SceneSet {
    /// `count` scenes of a seed.
    pub fn new(seed: u64, count: usize) -> Self {
        Self {
            seed,
            count,
            is_small: false,
            class_names: class_names(),
        }
    }

    /// `count` [scenes full of small objects](Scene::draw_small) of a seed.
    pub fn small(seed: u64, count: usize) -> Self {
        Self {
            is_small: true,
            ..Self::new(seed, count)
        }
    }

    /// What picture `index` is drawn by.
    fn generator(&self, index: usize) -> Pcg64Mcg {
        // Twice through the seeding's mixer, so that neighbours have nothing in common.
        let start = Pcg64Mcg::seed_from_u64(self.seed).next_u64();
        Pcg64Mcg::seed_from_u64(start.wrapping_add(index as u64))
    }

    fn size_by(&self, rng: &mut Pcg64Mcg) -> [usize; 2] {
        let sizes = match self.is_small {
            true => &SMALL_SIZES[..],
            false => &SIZES,
        };
        sizes[rng.random_range(0..sizes.len() as u32) as usize]
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
        let kind = if self.is_small {
            "small-scenes"
        } else {
            "scenes"
        };
        format!("{kind}:{}#{index}", self.seed)
    }

    fn size(&self, index: usize) -> [usize; 2] {
        self.size_by(&mut self.generator(index))
    }

    fn has_objects(&self, _index: usize) -> bool {
        true
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let mut rng = self.generator(index);
        let size = self.size_by(&mut rng);
        let draw = match self.is_small {
            true => Scene::draw_small,
            false => Scene::draw,
        };
        let drawn = draw(rng.next_u64(), size);
        Ok(Example {
            picture: camera::take(drawn.picture, &mut rng),
            ..drawn
        })
    }
}
