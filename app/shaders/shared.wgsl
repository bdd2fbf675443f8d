struct Heat {
    // Of the whole rectangle, in clip space: left, top, right, bottom.
    rect: vec4<f32>,
    // The part of the map that is shown, in shares of it: left, top, right, bottom.
    part: vec4<f32>,
    // Columns and rows.
    size: vec2<u32>,
    // The first cell's word, and words from a cell to the next.
    first: u32,
    pitch: u32,
    // Whether a cell's first value is the lower half of its word.
    is_half: u32,
    // Colours at even steps.
    colours: array<vec4<f32>, 16>,
}

@group(0) @binding(0) var<uniform> heat: Heat;

fn value_of(cell: u32) -> f32 {
    let word = words[heat.first + cell * heat.pitch];
    if heat.is_half != 0u {
        return unpack2x16float(word).x;
    }
    return bitcast<f32>(word);
}
