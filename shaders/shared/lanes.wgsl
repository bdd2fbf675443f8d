#define_import_path fpn::lanes

// Which lanes of a pixel's block hold channels: the others only fill it up.
fn are_channels(block: u32, channels: u32) -> vec4<bool> {
    return vec4<u32>(4u * block) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(channels);
}
