//! Pictures that are broken, of odd shapes or too large, alone and among good ones.

use predicates::prelude::*;
use proptest::prelude::*;
use serde_json::Value;

use crate::folder::{Folder, assert_fails, generated};

/// A picture with something wrong gives a sentence, and no file of the four that were asked for.
#[track_caller]
fn assert_refused(folder: &Folder, name: &str, sentence: &str) {
    let before = folder.files();
    let outputs = "--json o.json --coco c.json --out o.png --pyramid s.png";
    assert_fails(folder.detect(&format!("{name} {outputs}")), sentence);
    assert_fails(folder.detect(&format!("{name} --json -")), sentence);
    assert_eq!(folder.files(), before);
}

#[test]
fn a_picture_that_is_cut_short_is_refused() {
    let folder = Folder::new();
    folder.picture("whole.png", 96, 64);
    folder.picture("whole.jpg", 96, 64);
    // Within the header, within the pixels, and without the end.
    for (kind, end) in [("png", 12), ("jpg", 2)] {
        let whole = folder.read(&format!("whole.{kind}"));
        for length in [20, whole.len() / 2, whole.len() - end] {
            let name = format!("cut-{length}.{kind}");
            folder.write(&name, &whole[..length]);
            assert_refused(&folder, &name, &format!("{name} is cut short"));
        }
    }
}

/// A decoder finds no fault with a JPEG that has lost its end, so the command looks for the end's
/// marker; what it must not be misled by is here.
#[test]
fn a_jpeg_ends_where_its_own_marker_is() {
    let folder = Folder::new();
    folder.picture("a.jpg", 96, 64);
    let whole = folder.read("a.jpg");
    let (start, rest) = whole.split_at(2);
    let with_thumbnail = |thumbnail: &[u8], picture: &[u8]| {
        let length = (thumbnail.len() as u16 + 2).to_be_bytes();
        [start, &[0xFF, 0xE2], &length, thumbnail, picture].concat()
    };
    let expected = folder.detections("a.jpg");

    folder.write("with-thumbnail.jpg", &with_thumbnail(&whole, rest));
    assert_eq!(folder.detections("with-thumbnail.jpg"), expected);
    folder.write(
        "trailing.jpg",
        &[&whole, &b"motion photo \xFF\xDA"[..]].concat(),
    );
    assert_eq!(folder.detections("trailing.jpg"), expected);

    let cut = &rest[..rest.len() - 2];
    folder.write("cut.jpg", &with_thumbnail(&whole, cut));
    assert_refused(&folder, "cut.jpg", "cut.jpg is cut short");
}

#[test]
fn a_file_that_is_no_picture_is_refused() {
    let folder = Folder::new();
    let known = "expected one of gif, jpg, png, bmp, tiff, pbm, webp";
    folder.write("text.png", b"no picture, whatever its name");
    folder.write("empty.png", b"");
    folder.write("modern.avif", b"\0\0\0\x1Cftypavif\0\0\0\0mif1avif");
    for name in [
        "text.png",
        "empty.png",
        "modern.avif",
        "weights.safetensors",
    ] {
        let sentence = format!("{name} is no picture of a known format: {known}");
        assert_refused(&folder, name, &sentence);
    }
    std::fs::create_dir(folder.path("folder.png")).expect("a new folder");
    assert_refused(&folder, "folder.png", "folder folder.png holds no pictures");
}

#[test]
fn odd_shapes_work() {
    let folder = Folder::new();
    for (width, height) in [(1, 1), (1, 4000), (4000, 1), (20_000, 3)] {
        folder.picture("odd.png", width, height);
        let report = folder.report("odd.png");
        let image = &report["images"][0];
        assert_eq!([&image["width"], &image["height"]], [width, height]);
        // Resized as well, to where the short side would vanish.
        folder.report("odd.png --max-size 64");
    }
}

#[test]
fn a_picture_too_large_for_the_network_is_told_the_limit() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    assert_refused(
        &folder,
        "a.png --min-size 20000",
        "a.png: the picture would enter the network as 30000×20000 pixels, over the limit of \
         33554432: set a smaller --max-size",
    );
}

/// A few bytes can claim any size: it is refused before memory is asked for.
#[test]
fn a_picture_too_large_for_memory_is_told_the_limit() {
    let folder = Folder::new();
    folder.write("huge.ppm", b"P6\n400000 400000\n255\nabc");
    assert_refused(
        &folder,
        "huge.ppm",
        "huge.ppm is too large a picture: 400000×400000 pixels take 457763 MiB, expected at most 512",
    );
}

#[test]
fn a_batch_goes_on_past_bad_pictures_and_reports_them_at_the_end() {
    let folder = Folder::new();
    folder.picture("f/a.png", 96, 64);
    folder.picture("f/c.png", 64, 96);
    let cut = folder.read("f/a.png");
    folder.write("f/b.png", &cut[..cut.len() / 2]);
    let errors = "error: f/b.png is cut short\n\
                  error: gone.png does not exist\n\
                  error: 2 failed, 2 done\n";
    folder
        .detect("f gone.png --json o.json --coco c.json --out drawn")
        .assert()
        .code(1)
        .stdout(
            predicate::str::starts_with("f/a.png: ").and(predicate::str::contains("\nf/c.png: ")),
        )
        .stderr(predicate::str::ends_with(errors));

    let report: Value = serde_json::from_slice(&folder.read("o.json")).expect("JSON");
    let images = report["images"].as_array().expect("a list");
    let files: Vec<_> = images.iter().map(|image| &image["file"]).collect();
    assert_eq!(files, ["f/a.png", "f/c.png"]);
    assert!(folder.path("c.json").is_file());
    assert_eq!(folder.decode("drawn/a.png").dimensions(), (96, 64));
    assert_eq!(folder.decode("drawn/c.png").dimensions(), (64, 96));
    assert!(!folder.path("drawn/b.png").exists());

    // Where nothing is done, nothing is written.
    let errors = "error: f/b.png is cut short\n\
                  error: gone.png does not exist\n\
                  error: 2 failed, 0 done\n";
    folder
        .detect("f/b.png gone.png --json none.json --coco none-coco.json")
        .assert()
        .code(1)
        .stdout("")
        .stderr(predicate::str::ends_with(errors));
    assert!(!folder.path("none.json").exists() && !folder.path("none-coco.json").exists());
}

/// Bytes overwritten here and there, and perhaps a cut.
fn damage(mut bytes: Vec<u8>, hits: &[(prop::sample::Index, u8)], keep: f64) -> Vec<u8> {
    for (index, value) in hits {
        let place = index.index(bytes.len());
        bytes[place] = *value;
    }
    bytes.truncate((bytes.len() as f64 * keep) as usize);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_damage_to_a_picture_makes_it_panic(
        hits in prop::collection::vec(
            prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            40,
        ),
        keep in prop_oneof![3 => Just(1.0), 1 => 0.1..1.0],
    ) {
        let folder = Folder::new();
        let picture = generated(20, 14).into();
        let kinds = ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"];
        for (number, (hits, kind)) in hits.iter().zip(kinds.into_iter().cycle()).enumerate() {
            let name = format!("f/{number}.{kind}");
            folder.encode(&name, &picture);
            let damaged = damage(folder.read(&name), hits, keep);
            folder.write(&name, &damaged);
        }
        let output = folder.detect("f --max-size 32").output().expect("it can be run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        // A panic ends with 101, an abort with no code at all.
        prop_assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr);
    }
}
