//! All panels, in a window as large as usual and in the smallest that is useful: drawn, and left to be looked at.

use eframe::egui::{Key, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use fpn_viewer::{Action, DeviceChoice, Viewer};

use super::support::{compare, folder, on, open, picture, scene, until_found, until_inspected};

/// Sizes in points, and what pictures of them are called.
const SIZES: [([f32; 2], &str); 2] = [([1280.0, 720.0], "large"), ([900.0, 600.0], "small")];

/// A viewer that looks at a picture, and knows how its boxes came to be.
fn inspected(size: [f32; 2]) -> (Harness<'static, Viewer>, tempfile::TempDir) {
    let folder = folder();
    let path = scene(&folder, 3);
    let mut viewer = open(size, Some(&path));
    until_found(&mut viewer);
    until_inspected(&mut viewer);
    (viewer, folder)
}

/// How many colours there are, of every fourth pixel: a picture of nothing has few.
fn colours(drawn: &image::RgbaImage) -> usize {
    let pixels = drawn.pixels().step_by(4);
    pixels
        .map(|pixel| pixel.0)
        .collect::<std::collections::HashSet<_>>()
        .len()
}

#[test]
fn every_panel_is_drawn() {
    for (size, name) in SIZES {
        let (mut viewer, _folder) = inspected(size);
        for panel in ["Found", "Story", "Stages", "Pipeline", "Model"] {
            viewer.get_by_label(panel).click();
            viewer.run_steps(4);
            let drawn = picture(&mut viewer, &format!("{panel}_{name}").to_lowercase());
            assert_eq!([drawn.width() as f32, drawn.height() as f32], size);
            assert!(
                colours(&drawn) > 500,
                "{panel}: {} colours",
                colours(&drawn)
            );
        }
    }
}

#[test]
fn panels_look_as_they_did() {
    let (mut viewer, _folder) = inspected([900.0, 600.0]);
    compare(&mut viewer, "found");
    viewer.get_by_label("Stages").click();
    viewer.get_by_label("Objectness").click();
    viewer.key_press(Key::Num4);
    viewer.run_steps(3);
    compare(&mut viewer, "proposals");
    viewer.key_press(Key::Num6);
    viewer.get_by_label("Found").click();
    viewer.run_steps(3);
    let state = viewer.state().state();
    let seen = state.shown.clone().expect("a picture is shown");
    let (_, best) = state.visible(&seen).next().expect("something is found");
    let row = format!("{}  {:.3}  P{}", best.name, best.score, best.level);
    viewer.get_by_label(&row).click();
    viewer.run_steps(3);
    compare(&mut viewer, "story");
    viewer.ctx.set_theme(Theme::Light);
    compare(&mut viewer, "light");
}

/// As on a phone: the picture, below it the levels, or one panel instead of them.
#[test]
fn a_narrow_window_has_its_panels_below() {
    let (mut viewer, _folder) = inspected([400.0, 800.0]);
    compare(&mut viewer, "narrow");
    viewer.get_by_label("Found").click();
    viewer.run_steps(3);
    compare(&mut viewer, "narrow_found");
    viewer.get_by_label("Found").click();
    viewer.run_steps(3);
    viewer.get_by_label("Strength");
}

#[test]
fn levels_show_what_is_chosen() {
    let (mut viewer, _folder) = inspected([1280.0, 720.0]);
    let mut drawn = Vec::new();
    for choice in ["Strength", "Objectness", "Mean", "Max", "Channel"] {
        viewer.get_by_label(choice).click();
        viewer.run_steps(4);
        drawn.push(picture(
            &mut viewer,
            &format!("levels_{choice}").to_lowercase(),
        ));
    }
    viewer.get_by_label("C beside P").click();
    viewer.run_steps(4);
    drawn.push(picture(&mut viewer, "levels_beside"));
    for (index, one) in drawn.iter().enumerate() {
        assert!(
            drawn[index + 1..].iter().all(|other| one != other),
            "{index} looks like another"
        );
    }
}

#[test]
fn stages_are_gone_through_by_keys() {
    let (mut viewer, _folder) = inspected([1280.0, 720.0]);
    let keys = [
        Key::Num1,
        Key::Num2,
        Key::Num3,
        Key::Num4,
        Key::Num5,
        Key::Num6,
    ];
    for (number, key) in keys.into_iter().enumerate() {
        viewer.key_press(key);
        viewer.run_steps(3);
        picture(&mut viewer, &format!("stage{}", number + 1));
    }
}

#[test]
fn a_box_in_the_list_tells_its_story() {
    let (mut viewer, _folder) = inspected([1280.0, 720.0]);
    let state = viewer.state().state();
    let seen = state.shown.clone().expect("a picture is shown");
    let (_, best) = state.visible(&seen).next().expect("something is found");
    let row = format!("{}  {:.3}  P{}", best.name, best.score, best.level);
    viewer.get_by_label(&row).click();
    viewer.run_steps(4);
    viewer.get_by_label("2  Anchor");
    viewer.get_by_label("4  Proposal");
    picture(&mut viewer, "story_of_the_best");
}

#[test]
fn ghosts_help_and_the_tour_are_drawn() {
    let (mut viewer, _folder) = inspected([1280.0, 720.0]);
    viewer.key_press(Key::G);
    viewer.run_steps(3);
    picture(&mut viewer, "ghosts");
    viewer.key_press(Key::F1);
    viewer.run_steps(3);
    picture(&mut viewer, "help");
    viewer.key_press(Key::Escape);
    viewer.get_by_label("Tour").click();
    viewer.run_steps(3);
    picture(&mut viewer, "tour");
    let mut steps = 1;
    while viewer.query_by_label("Next").is_some() {
        viewer.get_by_label("Next").click();
        viewer.run_steps(3);
        steps += 1;
        assert!(steps <= 12);
    }
    assert_eq!(steps, 12);
    viewer.get_by_label("Done").click();
    viewer.run_steps(3);
    assert!(viewer.query_by_label("Done").is_none());
}

#[test]
fn a_pinned_picture_is_beside_the_next() {
    let folder = folder();
    scene(&folder, 1);
    scene(&folder, 2);
    let mut viewer = open([1280.0, 720.0], Some(folder.path()));
    until_found(&mut viewer);
    viewer.state_mut().apply(Action::Pin(true));
    viewer.state_mut().apply(Action::Step(1));
    super::support::until(&mut viewer, "the next picture", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| seen.frame.name.contains("scene2"))
    });
    let pinned = viewer.state().state().pinned.clone().expect("it is pinned");
    assert!(pinned.frame.name.contains("scene1"));
    picture(&mut viewer, "pinned");
}

/// What is drawn from where a detector left it on the window's device, beside what is drawn from memory: ranges of
/// colours are found otherwise there, to a 256th.
#[test]
fn levels_look_the_same_from_the_windows_device() {
    let folder = folder();
    let path = scene(&folder, 3);
    let [cpu, window] =
        [(DeviceChoice::Cpu, "cpu"), (DeviceChoice::Window, "window")].map(|(device, name)| {
            let mut viewer = on(device, [900.0, 600.0], Some(&path));
            until_found(&mut viewer);
            // What is told of the device, of times and to newcomers differs.
            viewer.state_mut().dismiss_messages();
            viewer.run_steps(3);
            picture(&mut viewer, &format!("levels_from_{name}"))
        });
    let [left, top, right, bottom] = levels_of(&cpu);
    let mut sum = 0.0;
    for y in top..bottom {
        for x in left..right {
            let [a, b] = [&cpu, &window].map(|drawn| drawn.get_pixel(x, y).0.map(f64::from));
            sum += (0..3)
                .map(|channel| (a[channel] - b[channel]).abs())
                .sum::<f64>()
                / 3.0;
        }
    }
    let mean = sum / f64::from((right - left) * (bottom - top));
    assert!(mean < 2.0, "they differ by {mean} of 255 in the mean");
}

/// Where the levels are in a window of 900×600.
fn levels_of(drawn: &image::RgbaImage) -> [u32; 4] {
    let [width, height] = [drawn.width(), drawn.height()];
    [width * 2 / 5, height / 5, width * 3 / 5, height * 4 / 5]
}
