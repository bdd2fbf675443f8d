//! Where activations lie: those that are never alive together share memory.

use std::cmp::Reverse;

use super::Range;

/// Alignment of a binding's offset in WebGPU.
const ALIGNMENT: usize = 256;

/// Memory that some steps need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Bytes.
    pub size: usize,
    /// First step that touches it.
    pub first: usize,
    /// Last step that touches it.
    pub last: usize,
}

impl Lifetime {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn lives_at(&self, step: usize) -> bool {
        self.first <= step && step <= self.last
    }
}

/// A place for each activation, the arenas' sizes, and the bytes of the largest set of them alive at
/// once. No arena is larger than `limit` unless a single activation is.
///
/// Each goes as low as those already placed allow. Of several orders the one that needs least
/// is taken: largest first, fullest step first ("greedy by size" and "by breadth": Pisarchyk and
/// Lee, 2020, <https://arxiv.org/abs/2001.03288>), most bytes times steps first, and as they come; each in the
/// first arena that has room and, where one arena does not do, also in the one that grows least.
pub fn place(lifetimes: &[Lifetime], limit: usize) -> (Vec<Range>, Vec<usize>, usize) {
    let steps = lifetimes
        .iter()
        .map(|lifetime| lifetime.last + 1)
        .max()
        .unwrap_or(0);
    let alive: Vec<usize> = (0..steps)
        .map(|step| {
            let sizes = lifetimes.iter().filter(|lifetime| lifetime.lives_at(step));
            sizes.map(|lifetime| lifetime.size).sum()
        })
        .collect();
    let fullest = |lifetime: &Lifetime| alive[lifetime.first..=lifetime.last].iter().copied().max();
    let sorted = |key: &dyn Fn(&Lifetime) -> (usize, usize)| -> Vec<usize> {
        let mut order: Vec<usize> = (0..lifetimes.len()).collect();
        order.sort_by_key(|&lifetime| Reverse(key(&lifetimes[lifetime])));
        order
    };
    let orders = [
        sorted(&|lifetime| (lifetime.size, 0)),
        sorted(&|lifetime| (fullest(lifetime).unwrap_or(0), lifetime.size)),
        sorted(&|lifetime| (lifetime.size * (lifetime.last + 1 - lifetime.first), 0)),
        sorted(&|lifetime| (steps - lifetime.first, lifetime.size)),
    ];
    let place_by = |arena| move |order: &Vec<usize>| place_in(order, arena, lifetimes, limit);
    let mut placed: Vec<_> = orders.iter().map(place_by(Arena::First)).collect();
    if placed.iter().any(|(_, arenas)| arenas.len() > 1) {
        placed.extend(orders.iter().map(place_by(Arena::LeastGrown)));
    }
    let (places, arenas) = placed
        .into_iter()
        .min_by_key(|(_, arenas)| arenas.iter().sum::<usize>())
        .expect("there are orders");
    (places, arenas, alive.into_iter().max().unwrap_or(0))
}

/// Which of the arenas with room for an activation takes it.
#[derive(Clone, Copy)]
enum Arena {
    First,
    LeastGrown,
}

/// A place for each lifetime, found in `order`, and the arenas' sizes.
fn place_in(
    order: &[usize],
    arena: Arena,
    lifetimes: &[Lifetime],
    limit: usize,
) -> (Vec<Range>, Vec<usize>) {
    let mut places: Vec<Option<Range>> = vec![None; lifetimes.len()];
    let mut arenas: Vec<usize> = Vec::new();
    for &lifetime in order {
        let size = lifetimes[lifetime].size.next_multiple_of(ALIGNMENT);
        let lowest = |arena: usize| {
            let mut taken: Vec<(usize, usize)> = lifetimes
                .iter()
                .zip(&places)
                .filter(|(other, _)| other.meets(&lifetimes[lifetime]))
                .filter_map(|(_, place)| place.filter(|place| place.arena == arena))
                .map(|place| {
                    (
                        place.offset,
                        place.offset + place.size.next_multiple_of(ALIGNMENT),
                    )
                })
                .collect();
            taken.sort_unstable();
            let mut offset = 0;
            for (start, end) in taken {
                if start >= offset + size {
                    break;
                }
                offset = offset.max(end);
            }
            (arena, offset)
        };
        let fits = |&(_, offset): &(usize, usize)| offset + size <= limit || offset == 0;
        let mut places_for_it = (0..=arenas.len()).map(lowest).filter(fits);
        let place = match arena {
            Arena::First => places_for_it.next(),
            Arena::LeastGrown => places_for_it.min_by_key(|&(arena, offset)| {
                let extent = arenas.get(arena).copied().unwrap_or(0);
                (offset + size).saturating_sub(extent)
            }),
        };
        let (arena, offset) = place.expect("a new arena has room");
        if arena == arenas.len() {
            arenas.push(0);
        }
        arenas[arena] = arenas[arena].max(offset + size);
        places[lifetime] = Some(Range {
            arena,
            offset,
            size: lifetimes[lifetime].size,
        });
    }
    let places = places
        .into_iter()
        .map(|place| place.expect("every lifetime is placed"));
    (places.collect(), arenas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(size: usize, first: usize, last: usize) -> Lifetime {
        Lifetime { size, first, last }
    }

    #[test]
    fn blocks_that_never_meet_share_memory() {
        let (places, arenas, bound) = place(&[lifetime(512, 0, 1), lifetime(256, 2, 3)], 1 << 20);
        assert_eq!(places[0].offset, places[1].offset);
        assert_eq!((arenas, bound), (vec![512], 512));
    }

    #[test]
    fn a_full_arena_is_followed_by_another() {
        let (places, arenas, _) = place(&[lifetime(512, 0, 1), lifetime(512, 0, 1)], 768);
        assert_eq!([places[0].arena, places[1].arena], [0, 1]);
        assert_eq!(arenas, [512, 512]);
    }

    proptest::proptest! {
        #[test]
        fn blocks_alive_together_never_overlap(
            lifetimes in proptest::collection::vec((1_usize..5000, 0_usize..20, 0_usize..6), 1..40),
            limit in 4096_usize..20_000,
        ) {
            let lifetimes: Vec<Lifetime> =
                lifetimes.into_iter().map(|(size, first, length)| lifetime(size, first, first + length)).collect();
            let (places, arenas, bound) = place(&lifetimes, limit);
            for (i, a) in places.iter().enumerate() {
                assert!(a.offset % ALIGNMENT == 0 && a.offset + a.size <= arenas[a.arena]);
                for (j, b) in places.iter().enumerate().skip(i + 1) {
                    let apart = a.arena != b.arena || a.offset + a.size <= b.offset || b.offset + b.size <= a.offset;
                    assert!(apart || !lifetimes[i].meets(&lifetimes[j]));
                }
            }
            assert!(arenas.iter().sum::<usize>() >= bound);
        }
    }
}
