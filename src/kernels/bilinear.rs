//! CPU reference of `shaders/shared/bilinear.wgsl`.

/// The two source cells of a target cell along one axis, and the second's weight.
pub(super) struct Tap {
    pub low: usize,
    pub high: usize,
    pub near: f32,
}

pub(super) fn tap(position: usize, source: usize, target: usize) -> Tap {
    let scale = source as f32 / target as f32;
    tap_near((position as f32 + 0.5) * scale - 0.5, source)
}

/// Those beside a place that is counted in source cells, from the first one's centre.
pub(super) fn tap_near(centre: f32, source: usize) -> Tap {
    let place = centre.max(0.0);
    let low = (place as usize).min(source - 1);
    Tap {
        low,
        high: (low + 1).min(source - 1),
        near: (place - low as f32).clamp(0.0, 1.0),
    }
}
