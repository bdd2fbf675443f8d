//! Pictures of several formats, and the ways to name them.

use image::buffer::ConvertBuffer;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, Rgb, RgbaImage};

use crate::folder::{Folder, assert_fails, assert_misused, generated};

/// Every 8-bit value has one 16-bit value that stands for the same brightness.
fn to_16_bits(value: u8) -> u16 {
    u16::from(value) * 257
}

#[test]
fn alpha_is_dropped_and_16_bits_are_rounded_to_8() {
    let folder = Folder::new();
    let rgb = generated(96, 64);
    // Blending would show: alpha runs through all its values.
    let rgba = RgbaImage::from_fn(96, 64, |x, y| {
        let [r, g, b] = rgb.get_pixel(x, y).0;
        image::Rgba([r, g, b, (x * 5 + y * 3) as u8])
    });
    let wide = ImageBuffer::from_fn(96, 64, |x, y| Rgb(rgb.get_pixel(x, y).0.map(to_16_bits)));
    folder.encode("rgb.png", &rgb.into());
    folder.encode("rgba.png", &rgba.into());
    folder.encode("wide.png", &DynamicImage::ImageRgb16(wide));

    let expected = folder.detections("rgb.png");
    assert!(!expected.is_empty());
    assert_eq!(folder.detections("rgba.png"), expected);
    assert_eq!(folder.detections("wide.png"), expected);
}

#[test]
fn grey_is_repeated_into_red_green_and_blue() {
    let folder = Folder::new();
    let grey: GrayImage = DynamicImage::from(generated(96, 64)).to_luma8();
    let rgb = DynamicImage::from(grey.clone()).to_rgb8();
    let with_alpha: GrayAlphaImage = grey.convert();
    let wide = ImageBuffer::from_fn(96, 64, |x, y| Luma(grey.get_pixel(x, y).0.map(to_16_bits)));
    folder.encode("rgb.png", &rgb.into());
    folder.encode("grey.png", &grey.into());
    folder.encode("with_alpha.png", &with_alpha.into());
    folder.encode("wide.png", &DynamicImage::ImageLuma16(wide));

    let expected = folder.detections("rgb.png");
    assert!(!expected.is_empty());
    for name in ["grey.png", "with_alpha.png", "wide.png"] {
        assert_eq!(folder.detections(name), expected, "{name}");
    }
}

#[test]
fn lossless_formats_give_the_same_detections_whatever_their_name() {
    let folder = Folder::new();
    let picture = generated(96, 64).into();
    let expected = {
        folder.encode("a.png", &picture);
        folder.detections("a.png")
    };
    for name in ["a.bmp", "a.ppm", "a.tiff", "a.webp"] {
        folder.encode(name, &picture);
        assert_eq!(folder.detections(name), expected, "{name}");
    }
    folder.write("misnamed.jpg", &folder.read("a.png"));
    folder.write("unnamed", &folder.read("a.png"));
    assert_eq!(folder.detections("misnamed.jpg"), expected);
    assert_eq!(folder.detections("unnamed"), expected);
}

/// A JPEG with an EXIF segment that holds nothing but an orientation.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let (start_of_image, rest) = jpeg.split_at(2);
    // Little-endian TIFF: one entry at offset 8, tag 0x0112, one short, and no further directory.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() + 2) as u16;
    let marker = [0xFF, 0xE1];
    [start_of_image, &marker, &length.to_be_bytes(), &exif, rest].concat()
}

#[test]
fn a_photo_is_turned_as_its_camera_was() {
    let folder = Folder::new();
    folder.encode("level.jpg", &generated(96, 64).into());
    let upright = DynamicImage::from(folder.decode("level.jpg")).rotate90();
    folder.encode("upright.png", &upright);
    let jpeg = folder.read("level.jpg");
    folder.write("turned.jpg", &with_orientation(&jpeg, 6));

    let report = folder.report("turned.jpg --out drawn.png");
    let image = &report["images"][0];
    assert_eq!([&image["width"], &image["height"]], [64, 96]);
    assert_eq!(
        image["detections"],
        folder.report("upright.png")["images"][0]["detections"]
    );
    assert_ne!(
        image["detections"],
        folder.report("level.jpg")["images"][0]["detections"]
    );
    assert_eq!(folder.decode("drawn.png").dimensions(), (64, 96));
}

/// The files of the report on `inputs`.
fn looked_at(folder: &Folder, inputs: &str) -> Vec<String> {
    let report = folder.report(inputs);
    let images = report["images"].as_array().expect("a list");
    let files = images.iter().map(|image| image["file"].as_str());
    files.map(|file| file.expect("a name").to_owned()).collect()
}

#[test]
fn a_folder_stands_for_its_pictures_and_a_pattern_for_what_matches() {
    let folder = Folder::new();
    for name in [
        "f/b.png",
        "f/a.jpg",
        "f/C.PNG",
        "f/deeper/d.png",
        "g[1].png",
    ] {
        folder.picture(name, 48, 48);
    }
    folder.write("f/notes.txt", b"no picture");
    assert_eq!(looked_at(&folder, "f"), ["f/C.PNG", "f/a.jpg", "f/b.png"]);
    assert_eq!(looked_at(&folder, "f/*.png"), ["f/b.png"]);
    assert_eq!(
        looked_at(&folder, "f/**/*.png"),
        ["f/b.png", "f/deeper/d.png"]
    );
    // A file is itself before it is a pattern.
    assert_eq!(looked_at(&folder, "g[1].png"), ["g[1].png"]);
    assert_eq!(
        looked_at(&folder, "g[1].png f/?.jpg"),
        ["g[1].png", "f/a.jpg"]
    );
}

#[test]
fn inputs_that_name_no_picture_are_told_apart() {
    let folder = Folder::new();
    folder.write("empty/notes.txt", b"no picture");
    for (input, sentence) in [
        ("gone.png", "gone.png does not exist"),
        ("gone/", "gone/ does not exist"),
        ("empty", "folder empty holds no pictures"),
        ("gone*.png", "no file matches gone*.png"),
        (
            "a[",
            "a[ is no valid pattern: Pattern syntax error near position 1: invalid range pattern",
        ),
    ] {
        assert_fails(folder.detect(input), sentence);
    }
    let mut unnamed = folder.detect("");
    unnamed.arg("");
    assert_misused(unnamed, "a value is required for '<INPUT>...'");
}
