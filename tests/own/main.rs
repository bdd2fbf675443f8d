//! Modules that nobody tuned for: on this machine's adapter beside Burn's CPU engine, and random graphs by the
//! kernels' references.
//!
//! `--nocapture` prints the largest differences.

#[path = "../adapter/mod.rs"]
mod adapter;
#[path = "../seeded/mod.rs"]
mod seeded;

mod check;
mod networks;

mod published;
mod random;
mod readme;
mod use_of_networks;
