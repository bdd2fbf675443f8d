// A map of single values as colours: a cell is a block, as the detector has it.

#HEAT

@group(0) @binding(1) var<storage, read> words: array<u32>;
// The values that become the first and the last colour.
@group(0) @binding(2) var<uniform> range: vec4<f32>;

struct Corner {
    @builtin(position) position: vec4<f32>,
    // From 0 to 1 over the rectangle.
    @location(0) place: vec2<f32>,
}

@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let place = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    let position = mix(heat.rect.xy, heat.rect.zw, place);
    return Corner(vec4<f32>(position, 0.0, 1.0), place);
}

fn colour_of(value: f32) -> vec3<f32> {
    let span = max(range.y - range.x, 1e-20);
    let step = clamp((value - range.x) / span, 0.0, 1.0) * 15.0;
    let first = u32(step);
    let second = min(first + 1u, 15u);
    return mix(heat.colours[first].rgb, heat.colours[second].rgb, fract(step));
}

@fragment
fn colour(corner: Corner) -> @location(0) vec4<f32> {
    let place = mix(heat.part.xy, heat.part.zw, corner.place);
    if any(place < vec2<f32>(0.0)) || any(place >= vec2<f32>(1.0)) {
        return vec4<f32>(0.0, 0.0, 0.0, 0.0);
    }
    let cell = min(vec2<u32>(place * vec2<f32>(heat.size)), heat.size - 1u);
    return vec4<f32>(colour_of(value_of(cell.y * heat.size.x + cell.x)), 1.0);
}
