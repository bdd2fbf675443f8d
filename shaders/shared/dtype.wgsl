#define_import_path fpn::dtype

// How maps are stored: four channels of a pixel as floats of 32 bits, or of 16 in two words, which
// needs no feature of the device. What is read and what is written differ where boxes are made of
// the output.

struct Stored {
#ifdef STORED_F16
    value: vec2<u32>,
#else
    value: vec4<f32>,
#endif
}

fn unpacked(stored: Stored) -> vec4<f32> {
#ifdef STORED_F16
    return vec4<f32>(unpack2x16float(stored.value.x), unpack2x16float(stored.value.y));
#else
    return stored.value;
#endif
}

struct Result {
#ifdef RESULT_F16
    value: vec2<u32>,
#else
    value: vec4<f32>,
#endif
}

fn packed(value: vec4<f32>) -> Result {
#ifdef RESULT_F16
    return Result(vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw)));
#else
    return Result(value);
#endif
}
