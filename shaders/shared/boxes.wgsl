#define_import_path fpn::boxes

// Boxes are x1, y1, x2, y2 in pixels. Of their edges, 0 says that x2 and y2 are where a box ends, 1
// that they are its last pixel: what a side is longer by than its ends are apart.

// What keeps exp from overflowing: ln(1000 / 16), and where there is no limit, what makes a box so wide
// that it is cut to the picture all the same.
const MAX_LOG_SIZES = vec2<f32>(4.135166556742356, 60.0);

fn decode(anchor: vec4<f32>, deltas: vec4<f32>, weights: vec4<f32>, edges: u32) -> vec4<f32> {
    let size = anchor.zw - anchor.xy + f32(edges);
    let centre = anchor.xy + 0.5 * size;
    let scaled = deltas / weights;
    let new_centre = scaled.xy * size + centre;
    // Not min, which may swallow NaN.
    let most = vec2<f32>(select(MAX_LOG_SIZES.x, MAX_LOG_SIZES.y, edges == 1u));
    let half = 0.5 * (exp(select(scaled.zw, most, scaled.zw > most)) * size);
    return vec4<f32>(new_centre - half, new_centre + half);
}

// Cut to a picture of this height and width.
fn clip(box: vec4<f32>, size: vec2<f32>, edges: u32) -> vec4<f32> {
    return clamp(box, vec4<f32>(), size.yxyx - f32(edges));
}

// Whether a picture can have the box: no value is NaN or further out than 2^24 pixels, from where f32 no
// longer tells pixels apart, and no side is negative. By bits, since drivers may take it that there is
// neither NaN nor infinity.
fn makes_sense(box: vec4<f32>) -> bool {
    let farthest = vec4<u32>(0x4b800000u);
    let is_near = (bitcast<vec4<u32>>(box) & vec4<u32>(0x7fffffffu)) <= farthest;
    return all(is_near) && all(box.xy <= box.zw);
}

fn is_at_least(box: vec4<f32>, side: f32) -> bool {
    return box.z - box.x >= side && box.w - box.y >= side;
}

fn area(box: vec4<f32>, edges: u32) -> f32 {
    let size = box.zw - box.xy + f32(edges);
    return size.x * size.y;
}

// Whether two boxes overlap by more than a share of their union; those without area never do.
fn overlaps(a: vec4<f32>, b: vec4<f32>, threshold: f32, edges: u32) -> bool {
    let extent = max(min(a.zw, b.zw) - max(a.xy, b.xy) + f32(edges), vec2<f32>());
    let intersection = extent.x * extent.y;
    let whole = area(a, edges) + area(b, edges) - intersection;
    // Divided, as the CPU reference does, so that both round alike.
    return whole > 0.0 && intersection / whole > threshold;
}
