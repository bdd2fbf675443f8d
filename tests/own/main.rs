//! Modules that nobody tuned for: on this machine's adapter beside Burn's CPU engine, and random graphs by the
//! kernels' references.
//!
//! `--nocapture` prints the largest differences.

#[path = "../adapter/mod.rs"]
mod adapter;
#[path = "../seeded/mod.rs"]
mod seeded;

mod case;
mod layers;

mod attention_speed;
mod convnext;
mod hat;
mod mixer;
mod mobilenet;
mod random;
mod readme;
mod resnet18;
mod shufflenet;
mod swin;
mod two_inputs;
mod unet;
mod use_of_networks;
mod vit;
