//! What cannot work is said in a sentence.

use std::collections::BTreeMap;

use crate::support::chromium::Chromium;

#[test]
fn a_browser_without_webgpu_is_told_what_to_do() {
    let chromium = Chromium::without_webgpu();
    assert_eq!(chromium.open("model=retinaface_mobilenet025"), "error");
    let message = chromium.message();
    assert!(message.contains("no WebGPU: use Chrome"), "{message}");
    chromium.keep_screenshot("no-webgpu");
    assert_eq!(chromium.console(), Vec::<String>::new());
}

#[test]
fn what_the_address_asks_for_and_cannot_be_had_is_named() {
    let files = BTreeMap::from([
        ("broken.safetensors".to_owned(), b"no weights".to_vec()),
        ("broken.png".to_owned(), b"no picture".to_vec()),
    ]);
    let chromium = Chromium::new(files);
    let cases = [
        (
            "weights=missing.safetensors",
            "The weights cannot be fetched from missing.safetensors: the server says 404.",
        ),
        (
            "weights=broken.safetensors",
            "The weights file is no checkpoint: expected a PyTorch file (zip or pickle) or safetensors",
        ),
        (
            "image=broken.png",
            "Broken.png is no picture that this browser can read.",
        ),
        (
            "model=alexnet",
            "Unknown model 'alexnet': expected one of pyramid_tiny, fasterrcnn_resnet18_fpn,",
        ),
        ("minSize=big", "MinSize is 'big': expected a whole number."),
        (
            "model=retinaface_mobilenet025&minSize=0",
            "MinSize is 0: expected at least one pixel.",
        ),
        (
            "colour=red",
            "Unknown parameter 'colour': expected one of model, weights,",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(chromium.open(query), "error", "{query}");
        let message = chromium.message();
        assert!(message.starts_with(expected), "{query}: {message}");
    }
}
