//! Pickles of detectron2's model zoo, made by Python with NumPy (`tests/goldens/model_zoo.py`).

use fpn_wgpu::weights::Checkpoint;

use crate::origins::open;

/// A file of the goldens.
pub fn file(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/goldens/model_zoo/{name}.pkl",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn refused(name: &str) -> String {
    let read = |checkpoint: Checkpoint| {
        let mut tensors = checkpoint.tensors.values();
        tensors.try_for_each(|tensor| tensor.read().map(drop))
    };
    let read = open(&file(name)).and_then(read);
    read.expect_err(name).to_string()
}

#[test]
fn arrays_of_every_protocol_are_read() {
    let expected = [
        ("backbone.bottom_up.stem.conv1.weight", vec![2, 3, 1, 1]),
        ("backbone.fpn_lateral2.bias", vec![5]),
        ("pixel_mean", vec![3, 1, 1]),
        ("roi_heads.scalar", vec![]),
    ];
    for protocol in 2..=4 {
        let checkpoint = open(&file(&format!("protocol{protocol}"))).expect("it can be read");
        assert_eq!(checkpoint.tensors.len(), expected.len());
        for (k, (key, shape)) in expected.iter().enumerate() {
            let tensor = &checkpoint.tensors[*key];
            assert_eq!(tensor.shape, *shape, "{key}");
            let values = tensor.read().expect("it can be read");
            let count = shape.iter().product::<usize>();
            let expected: Vec<f32> = (0..count).map(|i| 0.5 * i as f32 - k as f32).collect();
            assert_eq!(values, expected, "{key}");
        }
    }
}

#[test]
fn what_is_no_checkpoint_of_the_model_zoo_is_refused_in_a_sentence() {
    let zoo =
        |reason: &str| format!("is no readable checkpoint of detectron2's model zoo: {reason}");
    let weight = "holds a broken tensor 'backbone.bottom_up.stem.conv1.weight': ";
    for (name, expected) in [
        ("no_author", zoo("it has no __author__, where Detectron2 is expected")),
        (
            "other_author",
            zoo("its __author__ is 'Caffe2', where Detectron2 is expected"),
        ),
        ("no_model", zoo("it has no dict 'model'")),
        (
            "other_global",
            zoo("it uses model_zoo.Other, which is nothing that dicts and arrays take"),
        ),
        (
            "scalar",
            zoo("it uses numpy._core.multiarray.scalar, which is nothing that dicts and arrays take"),
        ),
        (
            "protocol5",
            zoo("it uses numpy._core.numeric._frombuffer, which is nothing that dicts and arrays take"),
        ),
        (
            "caffe2",
            "is a Caffe2 checkpoint ('blobs', 'conv1_w'), whose tensors have other names than detectron2's: convert it with detectron2 before".to_owned(),
        ),
        ("objects", format!("{weight}it holds objects")),
        ("no_array", format!("{weight}it is no array")),
        ("swapped", format!("{weight}its numbers are not in the usual order")),
        ("fortran", format!("{weight}its numbers are not in the usual order")),
        (
            "lying",
            format!("{weight}it holds 28 bytes, where its shape [8] of f4 takes another number"),
        ),
        (
            "integers",
            "holds tensor 'backbone.bottom_up.stem.conv1.weight' as i8: expected f16, bf16, f32 or f64".to_owned(),
        ),
    ] {
        assert_eq!(refused(name), expected, "{name}");
    }
}

#[test]
fn a_cut_file_is_refused() {
    let whole = file("protocol4");
    for length in 12..whole.len() {
        let error = open(&whole[..length])
            .expect_err("it is cut short")
            .to_string();
        assert!(
            error.starts_with("is no readable checkpoint of"),
            "{length}: {error}"
        );
    }
}

/// A few bytes may not stand for very many values.
#[test]
fn a_file_of_very_many_values_is_refused() {
    let mut bytes = b"\x80\x04}".to_vec();
    bytes.resize(3_000_000, b')');
    let error = open(&bytes).expect_err("it is refused").to_string();
    assert!(
        error.ends_with("it holds more than 1048576 values"),
        "{error}"
    );
}
