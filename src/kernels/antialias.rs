//! CPU reference of `shaders/shared/antialias.wgsl`.

/// Bits of a weight behind the point.
pub(super) const BITS: u32 = 22;

/// Where a weighted sum of bytes starts, so that it is rounded.
pub(super) const HALF: u32 = 1 << (BITS - 1);

/// The source pixels of a target pixel along one axis.
#[derive(Clone, Copy)]
pub(super) struct Taps {
    pub first: u32,
    pub end: u32,
    centre: u32,
    reach: u32,
    target: u32,
    /// Of the shares.
    total: u32,
}

pub(super) fn taps(place: u32, source: u32, target: u32) -> Taps {
    let reach = 2 * source.max(target);
    let centre = (2 * place + 1) * source;
    let least = (centre + target).max(reach) - reach;
    let end = source.min((centre + target + reach) / (2 * target));
    let mut taps = Taps {
        first: least / (2 * target),
        end,
        centre,
        reach,
        target,
        total: 0,
    };
    for x in taps.first..taps.end {
        taps.total += share(taps, x);
    }
    taps
}

/// A weight before they are made to sum to 1. What overflows comes back in the difference.
fn share(taps: Taps, x: u32) -> u32 {
    let place = (2 * x + 1).wrapping_mul(taps.target);
    let distance = place.wrapping_sub(taps.centre).cast_signed().abs();
    taps.reach - taps.reach.min(distance as u32)
}

/// share / total · 2²², rounded to the nearest: f32 comes to within three of it, and the remainder, of
/// which the lower bits are enough, tells how near.
pub(super) fn weight(taps: Taps, x: u32) -> u32 {
    let part = share(taps, x);
    let near = (part as f32 / taps.total as f32 * 4_194_304.0) as u32;
    let left = (part << BITS).wrapping_sub(near.wrapping_mul(taps.total));
    let rounded = left.wrapping_mul(2).wrapping_add(9 * taps.total) / (2 * taps.total);
    near + rounded - 4
}
