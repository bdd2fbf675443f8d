//! CPU reference of `shaders/shared/bilinear.wgsl`.

/// The two source cells of a target cell along one axis, and the second's weight.
pub(super) struct Tap {
    pub low: usize,
    pub high: usize,
    pub near: f32,
}

pub(super) fn tap(position: usize, source: usize, target: usize) -> Tap {
    let scale = source as f32 / target as f32;
    let place = ((position as f32 + 0.5) * scale - 0.5).max(0.0);
    let low = (place as usize).min(source - 1);
    Tap {
        low,
        high: (low + 1).min(source - 1),
        near: (place - low as f32).clamp(0.0, 1.0),
    }
}
