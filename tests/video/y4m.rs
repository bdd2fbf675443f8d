//! y4m: colours, forms, sizes, rates, and what is cut short.

use fpn_wgpu::video::{Rate, Writer};
use fpn_wgpu::weights;
use image::{DynamicImage, Rgb, RgbImage};

use crate::videos::y4m;
use crate::{assert_near, pictures, refusal, stream};

/// Luma and chroma of one colour, and the red, green and blue that the standards' formulas give.
const COLOURS: [(&str, [u8; 3], [u8; 3]); 8] = [
    ("W2 H2", [235, 128, 128], [255, 255, 255]),
    ("W2 H2", [16, 128, 128], [0, 0, 0]),
    ("W2 H2", [81, 90, 240], [255, 0, 0]),
    ("W2 H2", [145, 54, 34], [0, 255, 0]),
    (
        "W2 H2 XYSCSS=420JPEG XCOLORRANGE=FULL",
        [255, 128, 128],
        [255; 3],
    ),
    ("W2 H2 XCOLORRANGE=FULL", [76, 85, 255], [254, 0, 0]),
    // High definition has other colours.
    ("W2 H720", [63, 102, 240], [255, 0, 0]),
    ("W2 H720", [173, 42, 26], [0, 255, 0]),
];

#[test]
fn colours_are_those_of_the_standards() {
    for (parameters, [y, u, v], expected) in COLOURS {
        let rows = if parameters.contains("720") { 720 } else { 2 };
        let samples = [vec![y; 2 * rows], vec![u; rows / 2], vec![v; rows / 2]].concat();
        let (found, wrong) = pictures(stream(&y4m(parameters, &[samples])).expect("a video"));
        assert_eq!(wrong, None);
        for pixel in found[0].pixels() {
            let [red, green, blue, alpha] = pixel.0;
            let channels = [red, green, blue].into_iter().zip(expected);
            let far = channels
                .map(|(found, expected)| found.abs_diff(expected))
                .max();
            assert!(far <= Some(2), "{parameters}, {y} {u} {v}: {pixel:?}");
            assert_eq!(alpha, 255);
        }
    }
}

/// The same picture in every form. Its samples are one gradient of luma and flat chroma.
#[test]
fn all_forms_and_odd_sizes_give_the_same_picture() {
    for [width, height] in [[5_usize, 3], [1, 1], [16, 8], [33, 17]] {
        let luma: Vec<u8> = (0..width * height).map(|i| 20 + (i % 200) as u8).collect();
        let half = (width.div_ceil(2), height.div_ceil(2));
        let forms = [
            (" C420", half.0 * half.1, 1),
            ("", half.0 * half.1, 1),
            (" C420jpeg", half.0 * half.1, 1),
            (" C420mpeg2 Ip A1:1", half.0 * half.1, 1),
            (" C422", half.0 * height, 1),
            (" C444", width * height, 1),
            (" C420p10", half.0 * half.1, 4),
            (" C422p12", half.0 * height, 16),
            (" C444p16", width * height, 256),
        ];
        let pictures_of = |form: &str, chroma: [u8; 2], samples: usize, factor: u16| {
            let planes = [
                luma.clone(),
                vec![chroma[0]; samples],
                vec![chroma[1]; samples],
            ];
            let mut bytes = planes.concat();
            if factor > 1 {
                let scaled = bytes.iter().map(|&sample| u16::from(sample) * factor);
                bytes = scaled.flat_map(u16::to_le_bytes).collect();
            }
            let parameters = format!("W{width} H{height}{form}");
            let (found, wrong) = pictures(stream(&y4m(&parameters, &[bytes])).expect("a video"));
            assert_eq!(wrong, None, "{form}");
            assert_eq!(found.len(), 1, "{form}");
            found.into_iter().next().expect("one picture")
        };
        let expected = pictures_of(" C444", [100, 160], width * height, 1);
        for (form, samples, factor) in forms {
            assert_near(
                &pictures_of(form, [100, 160], samples, factor),
                &expected,
                1,
            );
        }
        let grey = pictures_of(" C444", [128, 128], width * height, 1);
        assert_near(&pictures_of(" Cmono", [0, 0], 0, 1), &grey, 1);
        assert_near(&pictures_of(" Cmono10", [0, 0], 0, 4), &grey, 1);
    }
}

#[test]
fn times_follow_the_rate() {
    let times = |rate: &str| -> Vec<f64> {
        let video = y4m(&format!("W1 H1 {rate} Cmono"), &[vec![9], vec![9], vec![9]]);
        let video = stream(&video).expect("a video");
        video.map(|frame| frame.expect("a frame").time).collect()
    };
    assert_eq!(times("F10:1"), [0.0, 0.1, 0.2]);
    assert_eq!(times("F30000:1001")[2], 2.0 * 1001.0 / 30000.0);
    for untold in ["", "F0:0", "F1:0", "Fx"] {
        assert_eq!(times(untold), [0.0, 0.04, 0.08], "{untold}");
    }
}

#[test]
fn what_is_cut_short_gives_what_came_before() {
    let whole = y4m("W4 H2 Cmono", &[vec![50; 8], vec![60; 8]]);
    let header = whole
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a line")
        + 1;
    let frame = 6 + 8;
    for (length, good, said) in [
        (header, 0, "has no pictures in it"),
        (header + 3, 0, "is cut short"),
        (header + 6, 0, "is cut short"),
        (header + frame - 1, 0, "is cut short"),
        (header + frame + 2, 1, "is cut short"),
        (whole.len() - 1, 1, "is cut short"),
    ] {
        let (found, wrong) = pictures(stream(&whole[..length]).expect("a video"));
        assert_eq!(
            (found.len(), wrong.as_deref()),
            (good, Some(said)),
            "{length}"
        );
    }
    assert_eq!(refusal(stream(&whole[..header - 1])), "is cut short");
    let (found, wrong) = pictures(stream(&whole).expect("a video"));
    assert_eq!((found.len(), wrong), (2, None));
}

#[test]
fn what_is_wrong_is_told() {
    let known = "is no y4m video: expected one, as ffmpeg writes with -f yuv4mpegpipe";
    let size = "expected at least one, and at most 512 MiB in memory";
    for (bytes, said) in [
        (&b""[..], known.to_owned()),
        (b"GIF89a\n", known.to_owned()),
        (&[b'x'; 5000], known.to_owned()),
        (b"YUV4MPEG2 W5\n", "is a broken video: it says no width and height".to_owned()),
        (b"YUV4MPEG2 W-1 H5\n", "is a broken video: it says no width and height".to_owned()),
        (b"YUV4MPEG2 W0 H5\n", format!("has pictures of 0×5 pixels: {size}")),
        (
            b"YUV4MPEG2 W4294967296 H4294967296\n",
            format!("has pictures of 4294967296×4294967296 pixels: {size}"),
        ),
        (
            b"YUV4MPEG2 W2 H2 C411\n",
            "stores pictures as 411: expected mono, 420, 422 or 444, as ffmpeg writes with -pix_fmt yuv420p"
                .to_owned(),
        ),
    ] {
        assert_eq!(refusal(stream(bytes)), said);
    }
    let (found, wrong) =
        pictures(stream(b"YUV4MPEG2 W2 H2 Cmono\nFRAME\n1234nonsense\n").expect("a video"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        wrong.as_deref(),
        Some("is a broken video: a picture lacks its FRAME")
    );
}

#[test]
fn what_is_written_is_read_again() {
    for [width, height] in [[96, 64], [33, 21], [1, 1], [96, 600]] {
        // Colours that change slowly survive that four pixels share their chroma.
        let picture = RgbImage::from_fn(width, height, |x, y| {
            Rgb([60 + (x % 128) as u8, 90 + (y % 64) as u8, 120])
        });
        let rate = Rate::new(30000, 1001).expect("above 0");
        let mut video = Writer::new(Vec::new(), (width, height), rate).expect("it can be written");
        for _ in 0..3 {
            video.write(&picture).expect("it can be written");
        }
        let video = stream(&video.into_inner()).expect("a video");
        assert_eq!([video.width, video.height], [width, height]);
        assert_eq!(video.rate, rate);
        let (found, wrong) = pictures(video);
        assert_eq!((found.len(), wrong), (3, None));
        assert_near(&found[2], &DynamicImage::from(picture).to_rgba8(), 4);
    }
}

#[test]
fn a_picture_of_another_size_is_not_written() {
    let rate = Rate::new(25, 1).expect("above 0");
    let mut video = Writer::new(Vec::new(), (8, 8), rate).expect("it can be written");
    let picture = DynamicImage::from(weights::picture(1, 8, 9)).to_rgb8();
    let refused = video.write(&picture).expect_err("it is of another size");
    assert_eq!(refused.to_string(), "the picture is of another size");
}
