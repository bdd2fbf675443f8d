//! Models' plans, step by step, against their modules.

use fpn_wgpu::models::{Architecture, ModelConfig};
use fpn_wgpu::verify::stages;
use fpn_wgpu::weights;

/// Every step that makes a value of the module's.
fn check(name: &str, size: [u32; 2], steps: usize) {
    let architecture: Architecture = name.parse().expect("the name is known");
    let config = ModelConfig {
        classes: architecture.default_classes().min(4),
        ..ModelConfig::of(architecture)
    };
    let picture = weights::picture(1, size[0], size[1]);
    let checkpoint = weights::seeded(&config, 1);
    let checks = stages(&config, &checkpoint, &picture).expect("seeded weights fit");
    let wrong = checks.iter().find(|check| !check.passed);
    assert_eq!(wrong, None, "{name}");
    assert!(checks.len() >= steps, "{name}: {}", checks.len());
}

#[test]
fn retinaface_is_its_module_step_by_step() {
    check("retinaface_mobilenet025", [70, 45], 50);
}

/// A transform of its own makes the picture larger than it is, so it is a small one.
#[test]
fn faster_rcnn_is_its_module_step_by_step() {
    check("pyramid_tiny", [8, 5], 30);
}
