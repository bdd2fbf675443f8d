//! Damaged videos: pictures or an error, never a panic.

use std::fs;

use fpn_wgpu::weights;
use image::DynamicImage;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::open;
use crate::videos::{Avi, golden, jpeg, y4m};

#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    /// A number as large as can be, or nearly.
    Exaggerate(Index, u32),
    Delete(Index, usize),
    Truncate(Index),
}

impl Damage {
    fn any() -> impl Strategy<Value = Vec<Self>> {
        let place = any::<Index>;
        let one = prop_oneof![
            6 => (place(), 0..8_u32).prop_map(|(at, bit)| Self::Flip(at, 1 << bit)),
            2 => (place(), 0..4_u32).prop_map(|(at, less)| Self::Exaggerate(at, u32::MAX >> less)),
            1 => (place(), 1..9_usize).prop_map(|(at, count)| Self::Delete(at, count)),
            1 => place().prop_map(Self::Truncate),
        ];
        prop::collection::vec(one, 1..5)
    }

    /// Within the first `part` bytes, where most of what is read as numbers lies, or anywhere.
    fn apply(&self, file: &mut Vec<u8>, part: usize) {
        let length = file.len().min(part);
        if length < 4 {
            return;
        }
        match self {
            Self::Flip(at, bits) => file[at.index(length)] ^= bits,
            Self::Exaggerate(at, number) => {
                let at = at.index(length - 3);
                file[at..at + 4].copy_from_slice(&number.to_be_bytes());
            }
            Self::Delete(at, count) => {
                let at = at.index(length);
                file.drain(at..(at + count).min(length));
            }
            Self::Truncate(at) => file.truncate(at.index(file.len())),
        }
    }
}

/// Looks at all pictures of what may be a video.
fn look(file: &[u8]) {
    if let Ok(video) = open(file) {
        // A few bytes of header may claim any number of pictures that are repeated.
        video.take(50).for_each(drop);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mp4(damages in Damage::any(), which in 0..3_usize, in_header in any::<bool>()) {
        let mut file = fs::read(golden(["clip.mp4", "fragments.mp4", "turned.mp4"][which])).expect("it is there");
        let part = if in_header { 2000 } else { file.len() };
        damages.iter().for_each(|damage| damage.apply(&mut file, part));
        look(&file);
    }

    #[test]
    fn avi(damages in Damage::any(), in_header in any::<bool>()) {
        let picture = DynamicImage::from(weights::picture(1, 24, 16)).to_rgb8();
        let mut avi = Avi::new([24, 16], vec![jpeg(&picture), Vec::new()]);
        avi.segments.push(vec![jpeg(&picture)]);
        let mut file = avi.to_bytes();
        let part = if in_header { 700 } else { file.len() };
        damages.iter().for_each(|damage| damage.apply(&mut file, part));
        look(&file);
    }

    #[test]
    fn y4m_of_any_bytes(damages in Damage::any()) {
        let mut file = y4m("W6 H4 F25:1 C420", &[vec![80; 36], vec![90; 36]]);
        let part = file.len();
        damages.iter().for_each(|damage| damage.apply(&mut file, part));
        look(&file);
    }
}
