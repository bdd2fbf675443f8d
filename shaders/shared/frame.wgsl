#define_import_path fpn::frame

// Sizes of one picture, height before width.
struct Frame {
    original: vec2<u32>,
    resized: vec2<u32>,
    // From a pixel of the resized picture to one of the original: down, across.
    ratio: vec2<f32>,
    // What is added then.
    shift: vec2<f32>,
}
