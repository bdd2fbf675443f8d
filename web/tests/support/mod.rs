//! The page in a headless Chromium, and the same library outside.

pub mod chromium;
pub mod native;
pub mod report;
