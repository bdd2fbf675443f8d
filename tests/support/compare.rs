//! Comparing numbers, with a failure that says where and by how much they differ.

/// The largest difference of two lists.
#[derive(Clone, Copy, Debug, Default)]
#[allow(dead_code)] // read where it is printed
struct Difference {
    index: usize,
    found: f32,
    expected: f32,
    relative: f32,
}

/// Asserts that no value is off by more than `tolerance` times the largest magnitude expected: a
/// sum of thousands of products has the error of its terms, however small it comes out itself.
/// Prints the largest difference, for `--nocapture`.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: values");
    let scale = expected.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
    let differences = found.iter().zip(expected).enumerate();
    let largest = differences
        .filter(|(_, (found, expected))| found != expected)
        .map(|(index, (&found, &expected))| Difference {
            index,
            found,
            expected,
            relative: ((found - expected) / scale).abs(),
        })
        // NaN counts as the largest.
        .max_by(|a, b| a.relative.total_cmp(&b.relative))
        .unwrap_or_default();
    println!("{what}: {:.1e}", largest.relative);
    // NaN is not within any tolerance.
    assert!(
        largest.relative <= tolerance,
        "{what}: over {tolerance:e}: {largest:?}"
    );
}
