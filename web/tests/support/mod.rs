//! The page in a headless Chromium, and the same library outside.
#![allow(dead_code)] // each program uses its part of it

pub mod chromium;
pub mod native;
pub mod report;
