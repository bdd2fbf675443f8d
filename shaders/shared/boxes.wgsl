#define_import_path fpn::boxes

// Boxes are x1, y1, x2, y2 in pixels of the resized picture.

// ln(1000 / 16): keeps exp from overflowing.
const MAX_LOG_SIZE: f32 = 4.135166556742356;

fn decode(anchor: vec4<f32>, deltas: vec4<f32>, weights: vec4<f32>) -> vec4<f32> {
    let size = anchor.zw - anchor.xy;
    let centre = anchor.xy + 0.5 * size;
    let scaled = deltas / weights;
    let new_centre = scaled.xy * size + centre;
    // Not min, which may swallow NaN.
    let most = vec2<f32>(MAX_LOG_SIZE);
    let half = 0.5 * (exp(select(scaled.zw, most, scaled.zw > most)) * size);
    return vec4<f32>(new_centre - half, new_centre + half);
}

// Cut to a picture of this height and width.
fn clip(box: vec4<f32>, size: vec2<f32>) -> vec4<f32> {
    return clamp(box, vec4<f32>(), size.yxyx);
}

fn is_at_least(box: vec4<f32>, side: f32) -> bool {
    return box.z - box.x >= side && box.w - box.y >= side;
}

fn area(box: vec4<f32>) -> f32 {
    return (box.z - box.x) * (box.w - box.y);
}

// Whether two boxes overlap by more than a share of their union; those without area never do.
fn overlaps(a: vec4<f32>, b: vec4<f32>, threshold: f32) -> bool {
    let extent = max(min(a.zw, b.zw) - max(a.xy, b.xy), vec2<f32>());
    let intersection = extent.x * extent.y;
    let whole = area(a) + area(b) - intersection;
    // Divided, as the CPU reference does, so that both round alike.
    return whole > 0.0 && intersection / whole > threshold;
}
