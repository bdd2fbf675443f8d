#define_import_path fpn::antialias

// Resizing as Pillow does it: a triangle that reaches one pixel of the larger of both sizes, its weights
// whole numbers of 2⁻²². Places are whole numbers of 1 / (2 · target) source pixels.

const BITS: u32 = 22u;

// Where a weighted sum of bytes starts, so that it is rounded.
const HALF: u32 = 2097152u;

// The source pixels of a target pixel along one axis.
struct Taps {
    first: u32,
    end: u32,
    centre: u32,
    reach: u32,
    target_size: u32,
    // Of the shares.
    total: u32,
}

fn taps(place: u32, source: u32, target_size: u32) -> Taps {
    let reach = 2u * max(source, target_size);
    let centre = (2u * place + 1u) * source;
    let least = max(centre + target_size, reach) - reach;
    let end = min(source, (centre + target_size + reach) / (2u * target_size));
    var taps = Taps(least / (2u * target_size), end, centre, reach, target_size, 0u);
    for (var x = taps.first; x < taps.end; x++) {
        taps.total += share(taps, x);
    }
    return taps;
}

// A weight before they are made to sum to 1. What overflows comes back in the difference.
fn share(taps: Taps, x: u32) -> u32 {
    let distance = abs(bitcast<i32>((2u * x + 1u) * taps.target_size - taps.centre));
    return taps.reach - min(taps.reach, u32(distance));
}

// share / total · 2²², rounded to the nearest: f32 comes to within three of it, and the remainder, of
// which the lower bits are enough, tells how near.
fn weight(taps: Taps, x: u32) -> u32 {
    let part = share(taps, x);
    let near = u32(f32(part) / f32(taps.total) * 4194304.0);
    let left = (part << BITS) - near * taps.total;
    return near + (2u * left + 9u * taps.total) / (2u * taps.total) - 4u;
}
