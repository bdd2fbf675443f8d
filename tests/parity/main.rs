//! Whole models on the CPU engine against PyTorch's: the same weights and pictures, stage by
//! stage, so that a difference shows where it begins, then the detections one to one. The GPU engine's
//! detections, in 32 bits and in 16.
//!
//! `--nocapture` prints the largest difference of every stage.

#[path = "../adapter/mod.rs"]
mod adapter;
#[allow(dead_code, unused_imports)] // other test programs use the rest
#[path = "../support/mod.rs"]
mod support;

mod case;
mod detectron2;
mod faster_rcnn;
mod faster_rcnn_c4;
mod fpn_resnet;
mod hat;
mod instances;
mod matching;
mod nanodet;
mod one_stage;
mod photos;
mod precision;
mod published;
mod retinaface;
mod stages;
