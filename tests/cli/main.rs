//! The `fpn` command from outside: what it writes, what it prints, and with which exit code it
//! ends.

#[path = "../adapter/mod.rs"]
mod adapter;
#[path = "../files/mod.rs"]
mod files;
#[allow(dead_code)] // tests of fetching use the rest
#[path = "../server/mod.rs"]
mod server;
#[path = "../videos/mod.rs"]
mod videos;

mod bad_checkpoints;
mod bad_pictures;
mod bench;
mod cache;
mod commands;
mod detectron2;
mod eval;
mod fetch;
mod folder;
mod formats;
mod gpu;
mod json;
mod options;
mod outputs;
mod photos;
mod precision;
mod pyramid;
mod train;
mod train_systems;
mod verify;
mod video;
