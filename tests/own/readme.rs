//! What the README shows.

use std::path::Path;

#[test]
fn the_readme_shows_the_example_word_for_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).expect("it is there");
    let shown = format!("```rust\n{}```\n", read("examples/own_module.rs"));
    assert!(
        read("README.md").contains(&shown),
        "README.md shows no block that is examples/own_module.rs"
    );
}
