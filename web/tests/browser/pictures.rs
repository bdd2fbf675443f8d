//! The pixels that the page detects on are those of the file.

use std::collections::BTreeMap;
use std::io::Cursor;

use image::{ImageFormat, RgbaImage};

use crate::support::chromium::Chromium;

/// The bytes that the page reads from `picture.png`.
const READ: &str = "(async () => {
    const { Detector, Options } = await import('./fpn_web.js');
    const options = Object.assign(new Options(), { model: 'retinaface_mobilenet025' });
    const detector = await Detector.open(undefined, options);
    const file = await (await fetch('picture.png')).blob();
    const decoding = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };
    const picture = await detector.picture(await createImageBitmap(file, decoding));
    return JSON.stringify(Array.from(picture.rgba()));
})()";

/// Every value of a colour under every tenth of alpha, which a canvas would not keep, in rows that
/// are no multiple of what a texture's copy is aligned to.
#[test]
fn a_translucent_picture_with_a_gamma_is_read_as_it_is() {
    let picture = RgbaImage::from_fn(257, 11, |x, y| {
        image::Rgba([x as u8, 255 - x as u8, (x * 7) as u8, (y * 25) as u8])
    });
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .expect("a PNG is written");
    let png = with_gamma(png.into_inner());
    let decoded = image::load_from_memory(&png).expect("a picture");
    assert_eq!(decoded.to_rgba8(), picture);

    let chromium = Chromium::new(BTreeMap::from([("picture.png".to_owned(), png)]));
    assert_eq!(chromium.open("model=retinaface_mobilenet025"), "ready");
    let read: Vec<u8> = serde_json::from_str(&chromium.text(READ)).expect("a list of bytes");
    let differing = read.iter().zip(picture.as_raw()).filter(|(a, b)| a != b);
    assert_eq!((read.len(), differing.count()), (picture.as_raw().len(), 0));
}

/// The file with a chunk that says its gamma is 1, behind the header.
fn with_gamma(mut png: Vec<u8>) -> Vec<u8> {
    let header = 8 + 25;
    let mut chunk = b"gAMA".to_vec();
    chunk.extend(100_000_u32.to_be_bytes());
    let sum = crc32(&chunk);
    let chunk = [&4_u32.to_be_bytes()[..], &chunk, &sum.to_be_bytes()].concat();
    png.splice(header..header, chunk);
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
