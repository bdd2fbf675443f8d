#define_import_path fpn::bilinear

// Bilinear resizing with half-pixel centres, without antialiasing.

// The two source cells of a target cell along one axis, and the second's weight.
struct Tap {
    low: u32,
    high: u32,
    near: f32,
}

fn tap(position: u32, source: u32, target_size: u32) -> Tap {
    let scale = f32(source) / f32(target_size);
    return tap_near((f32(position) + 0.5) * scale - 0.5, source);
}

// Those beside a place that is counted in source cells, from the first one's centre.
fn tap_near(centre: f32, source: u32) -> Tap {
    let place = max(centre, 0.0);
    let low = min(u32(place), source - 1u);
    let near = clamp(place - f32(low), 0.0, 1.0);
    return Tap(low, min(low + 1u, source - 1u), near);
}

// What lies between the values of a tap's two cells.
fn between(tap: Tap, low: vec4<f32>, high: vec4<f32>) -> vec4<f32> {
    return (1.0 - tap.near) * low + tap.near * high;
}
