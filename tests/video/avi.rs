//! AVI with Motion JPEG.

use fpn_wgpu::weights;
use image::{DynamicImage, RgbImage, RgbaImage};

use crate::videos::{Avi, chunk, jpeg};
use crate::{assert_near, open, pictures, refusal};

fn picture(seed: u64, width: u32, height: u32) -> RgbImage {
    DynamicImage::from(weights::picture(seed, width, height)).to_rgb8()
}

fn decoded(jpeg: &[u8]) -> RgbaImage {
    let picture = image::load_from_memory(jpeg).expect("a JPEG");
    picture.to_rgba8()
}

#[test]
fn each_picture_is_what_its_jpeg_is() {
    let jpegs: Vec<Vec<u8>> = (1..4).map(|seed| jpeg(&picture(seed, 33, 21))).collect();
    let video = open(&Avi::new([33, 21], jpegs.clone()).to_bytes()).expect("a video");
    assert_eq!([video.width, video.height], [33, 21]);
    assert_eq!(video.rate.per_second(), 10.0);
    assert_eq!(video.count, Some(3));
    let (found, wrong) = pictures(video);
    assert_eq!(wrong, None);
    let expected: Vec<RgbaImage> = jpegs.iter().map(|jpeg| decoded(jpeg)).collect();
    assert_eq!(found, expected);
}

#[test]
fn segments_follow_each_other_and_empty_pictures_repeat() {
    let [a, b] = [1, 2].map(|seed| jpeg(&picture(seed, 16, 16)));
    let mut avi = Avi::new([16, 16], vec![a.clone(), Vec::new()]);
    avi.segments.push(vec![b.clone()]);
    avi.rate = [30000, 1001];
    let video = open(&avi.to_bytes()).expect("a video");
    let frames: Vec<_> = video.map(|frame| frame.expect("a frame")).collect();
    let found: Vec<_> = frames.iter().map(|frame| frame.picture.clone()).collect();
    assert_eq!(found, [decoded(&a), decoded(&a), decoded(&b)]);
    assert_eq!(frames[2].time, 2.0 * 1001.0 / 30000.0);
}

/// As cameras write it, whose tables are the standard's and are told nowhere.
#[test]
fn huffman_tables_may_be_missing() {
    let whole = jpeg(&picture(1, 32, 16));
    let expected = decoded(&whole);
    let mut bare = whole;
    while let Some(at) = bare.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
        let length = usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
        bare.drain(at..at + 2 + length);
    }
    let (found, wrong) =
        pictures(open(&Avi::new([32, 16], vec![bare]).to_bytes()).expect("a video"));
    assert_eq!(wrong, None);
    assert_near(&found[0], &expected, 0);
}

#[test]
fn each_picture_has_its_own_size() {
    let jpegs = [(32, 16), (16, 48)].map(|(width, height)| jpeg(&picture(1, width, height)));
    let (found, wrong) =
        pictures(open(&Avi::new([32, 16], jpegs.to_vec()).to_bytes()).expect("a video"));
    assert_eq!(wrong, None);
    let sizes: Vec<_> = found.iter().map(RgbaImage::dimensions).collect();
    assert_eq!(sizes, [(32, 16), (16, 48)]);
}

#[test]
fn what_is_cut_short_gives_what_came_before() {
    let jpegs: Vec<Vec<u8>> = (1..4).map(|seed| jpeg(&picture(seed, 32, 16))).collect();
    let whole = Avi::new([32, 16], jpegs).to_bytes();
    let begin = whole
        .windows(4)
        .position(|name| name == b"01dc")
        .expect("a picture");
    assert_eq!(refusal(open(&whole[..begin / 2])), "is cut short");
    let mut good = Vec::new();
    for length in (begin..whole.len()).step_by(37) {
        let (found, wrong) = pictures(open(&whole[..length]).expect("a video"));
        assert_eq!(wrong.as_deref(), Some("is cut short"), "{length}");
        good.push(found.len());
    }
    assert!(good.is_sorted());
    assert_eq!([good[0], good[good.len() - 1]], [0, 3]);
}

/// A recording that was never closed says nothing of its length.
#[test]
fn lists_need_not_say_how_long_they_are() {
    let jpegs: Vec<Vec<u8>> = (1..3).map(|seed| jpeg(&picture(seed, 32, 16))).collect();
    let whole = Avi::new([32, 16], jpegs).to_bytes();
    for size in [0, u32::MAX] {
        let mut file = whole.clone();
        let movi = whole
            .windows(4)
            .position(|name| name == b"movi")
            .expect("a list");
        for at in [4, movi - 4] {
            file[at..at + 4].copy_from_slice(&size.to_le_bytes());
        }
        let (found, wrong) = pictures(open(&file).expect("a video"));
        assert_eq!((found.len(), wrong), (2, None));
    }
}

#[test]
fn what_is_wrong_is_told() {
    let good = jpeg(&picture(1, 32, 16));
    let avi = |codec: &[u8; 4], size| {
        let mut avi = Avi::new(size, vec![good.clone()]);
        avi.codec = *codec;
        avi.to_bytes()
    };
    let expected = "expected MJPG (Motion JPEG)";
    assert_eq!(
        refusal(open(&avi(b"H264", [32, 16]))),
        format!("has the codec H264: {expected}")
    );
    assert_eq!(
        refusal(open(&avi(&[0; 4], [32, 16]))),
        format!("has the codec 0 (uncompressed): {expected}")
    );
    assert_eq!(
        refusal(open(&avi(b"MJPG", [0, 16]))),
        "has pictures of 0×16 pixels: expected at least one, and at most 512 MiB in memory"
    );
    let mut sound = avi(b"mjpg", [32, 16]);
    let video = sound
        .windows(4)
        .position(|name| name == b"vids")
        .expect("a stream");
    sound[video..video + 4].copy_from_slice(b"txts");
    assert_eq!(refusal(open(&sound)), "has no video in it");
    let empty = chunk(b"RIFF", b"AVI ");
    assert_eq!(
        refusal(open(&empty)),
        "is a broken video: it has no list of pictures"
    );

    let none = open(&Avi::new([32, 16], Vec::new()).to_bytes()).expect("a video");
    assert_eq!(pictures(none).1.as_deref(), Some("has no pictures in it"));
    let broken = Avi::new([32, 16], vec![good.clone(), vec![7; 90], good]);
    let (found, wrong) = pictures(open(&broken.to_bytes()).expect("a video"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        wrong.as_deref(),
        Some("is a broken video: a picture is no JPEG")
    );
}
