//! Networks that nobody tuned for, at sizes that are small and odd.

use fpn_wgpu::models::hat::HatConfig;

use crate::check::check;
use crate::networks::swin::Swin;
use crate::networks::{
    convnext, hat, mixer, mobilenet, resnet18, shufflenet, swin, two_inputs, unet, vit,
};

#[test]
fn resnet18() {
    check(&resnet18::case([1, 3, 64, 64]));
}

#[test]
fn mobilenet_blocks() {
    check(&mobilenet::case([1, 3, 61, 75]));
}

#[test]
fn shufflenet_units() {
    check(&shufflenet::case([2, 3, 33, 28]));
}

#[test]
fn unet() {
    check(&unet::case([1, 3, 52, 70]));
}

#[test]
fn convnext_blocks() {
    check(&convnext::case([1, 3, 60, 84], 24));
}

#[test]
fn swin_blocks() {
    check(&swin::case(Swin {
        size: [8, 12],
        features: 24,
        heads: 2,
        window: 4,
    }));
}

#[test]
fn vit() {
    check(&vit::case([2, 3, 64, 80], 48, 3));
}

#[test]
fn mixer() {
    check(&mixer::case([3, 15, 28]));
}

#[test]
fn two_inputs_and_three_outputs() {
    check(&two_inputs::case([2, 3, 17, 22]));
}

/// Over a map that is no multiple of the windows.
#[test]
fn hat_groups() {
    let config = HatConfig {
        squeeze: 10,
        ..HatConfig::new(42, 4, 3)
    };
    check(&hat::case([1, 42, 10, 13], config));
}
