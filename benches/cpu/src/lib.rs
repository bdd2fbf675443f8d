//! Benchmarks of what runs on the CPU, in `benches/`. A package of their own, so that they build
//! without the peers of `fpn-bench`.
