//! Frames leave nothing behind in memory, neither ours nor the driver's. A process of its own, since it is the
//! process's memory that is measured.
#![cfg(target_os = "linux")]

#[allow(dead_code)] // other tests share a device
mod adapter;

use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::{Detector, weights};

use crate::adapter::open;

/// A driver that compiles one kernel anew with every frame leaves three times as much behind.
const MOST: u64 = 8 << 20;

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let told = std::fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes
        .and_then(|told| told.parse().ok())
        .expect("a number");
    kibibytes << 10
}

#[test]
fn a_hundred_frames_leave_nothing_behind() {
    let config = ModelConfig::of(PYRAMID_TINY);
    let detector = Detector::builder(weights::seeded(&config, 1)).gpu(open());
    let detector = detector.min_size(64).proposals(100).build();
    let detector = detector.expect("seeded weights fit");
    let picture = weights::picture(1, 96, 64);
    let look = |frames: usize| {
        for _ in 0..frames {
            let pending = detector.start(&picture).expect("the picture fits");
            pending.wait().expect("the network's values are finite");
        }
    };
    look(10);
    let before = resident();
    look(100);
    let more = resident().saturating_sub(before);
    assert!(more < MOST, "{more} bytes more after a hundred frames");
}
