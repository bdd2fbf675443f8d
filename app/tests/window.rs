//! The program in a real window, on a display in memory (Xvfb): it starts, draws, and takes another size. Screenshots stay
//! in target/viewer, to be looked at.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::weights::seeded;
use image::RgbImage;
use server::{Reply, Server};
use tempfile::TempDir;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt, Window,
};
use x11rb::wrapper::ConnectionExt as _;

#[path = "../../tests/server/mod.rs"]
mod server;

/// How long anything may take on a slow machine that does something else besides.
const PATIENCE: Duration = Duration::from_secs(60);

/// A display in memory; ended when it is dropped.
struct Display {
    server: Child,
    name: String,
    folder: TempDir,
}

impl Display {
    /// None where the program is missing that makes one.
    fn open() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let server = Command::new("Xvfb")
            .args(["-noreset", "-screen", "0", "1400x900x24"])
            .args(["-displayfd", "1", "-fbdir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut server) = server else {
            println!("not run: the window, for which there is no Xvfb (Debian's package xvfb)");
            return None;
        };
        let mut number = String::new();
        let told = server.stdout.take().expect("it was piped");
        BufReader::new(told)
            .read_line(&mut number)
            .expect("Xvfb tells its number");
        Some(Self {
            server,
            name: format!(":{}", number.trim()),
            folder,
        })
    }

    /// What is on it: an X window dump that the server keeps up to date.
    fn picture(&self) -> Option<RgbImage> {
        let bytes = std::fs::read(self.folder.path().join("Xvfb_screen0")).ok()?;
        let field = |index: usize| {
            let word = bytes.get(4 * index..4 * index + 4)?;
            Some(u32::from_be_bytes(word.try_into().ok()?) as usize)
        };
        let (header, width, height) = (field(0)?, field(4)?, field(5)?);
        let (line, colours) = (field(12)?, field(19)?);
        let pixels = bytes.get(header + 12 * colours..)?;
        // Blue, green, red, and a byte that means nothing.
        let pixel = |x: u32, y: u32| {
            let at = y as usize * line + 4 * x as usize;
            image::Rgb([2, 1, 0].map(|channel| pixels[at + channel]))
        };
        (pixels.len() >= height * line)
            .then(|| RgbImage::from_fn(width as u32, height as u32, pixel))
    }

    /// Start the viewer on it.
    fn viewer(&self, arguments: &[&str]) -> Program {
        let mut command = self.command(arguments);
        let program = command
            .args(["--device", "cpu"])
            .stderr(Stdio::null())
            .spawn();
        Program(program.expect("the viewer was built"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpn-viewer"));
        command
            .args(arguments)
            .env("DISPLAY", &self.name)
            .env_remove("WAYLAND_DISPLAY")
            .env("XDG_DATA_HOME", self.folder.path());
        command
    }

    /// Wait until what is on it is so; left in target/viewer.
    fn until(&self, name: &str, is_so: impl Fn(&RgbImage) -> bool) {
        let began = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            if let Some(drawn) = self.picture().filter(&is_so) {
                keep(&drawn, name);
                return;
            }
            if began.elapsed() >= PATIENCE {
                let last = self.picture().expect("the display is open");
                let colours = colours(&last);
                keep(&last, &format!("failed_{name}"));
                panic!("{name}: not within {PATIENCE:?}, with {colours} colours");
            }
        }
    }

    /// Give the viewer's window another size.
    fn resize(&self, width: u32, height: u32) {
        let (connection, screen) = x11rb::connect(Some(&self.name)).expect("the display is open");
        let root = connection.setup().roots[screen].root;
        let window = named(&connection, root, "fpn viewer").expect("the viewer has a window");
        let size = ConfigureWindowAux::new().width(width).height(height);
        let sent = connection
            .configure_window(window, &size)
            .expect("it is sent");
        sent.check().expect("the window takes another size");
        // What the window leaves is not painted over by itself.
        let black = ChangeWindowAttributesAux::new().background_pixel(0);
        connection
            .change_window_attributes(root, &black)
            .expect("it is sent");
        connection
            .clear_area(false, root, 0, 0, 0, 0)
            .expect("it is sent");
        connection.sync().expect("it is done");
    }
}

/// The window of that name below another.
fn named(connection: &impl Connection, below: Window, name: &str) -> Option<Window> {
    let children = connection.query_tree(below).ok()?.reply().ok()?.children;
    children.into_iter().find(|window| {
        let told = connection.get_property(false, *window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64);
        let told = told.ok().and_then(|told| told.reply().ok());
        told.is_some_and(|told| told.value == name.as_bytes())
    })
}

impl Drop for Display {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// A viewer at work; ended when it is dropped.
struct Program(Child);

impl Program {
    fn is_running(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Leave a screenshot in target/viewer.
fn keep(drawn: &RgbImage, name: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../viewer");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    drawn
        .save(folder.join(name))
        .expect("a picture can be written");
}

/// How many colours there are, of every fourth pixel.
fn colours(drawn: &RgbImage) -> usize {
    drawn.pixels().step_by(4).collect::<HashSet<_>>().len()
}

/// Whether something is drawn at a place.
fn is_lit(drawn: &RgbImage, x: u32, y: u32) -> bool {
    drawn.get_pixel(x, y).0 != [0; 3]
}

#[test]
fn it_opens_with_the_scene_and_takes_another_size() {
    let Some(display) = Display::open() else {
        return;
    };
    let mut viewer = display.viewer(&[]);
    // The scene's picture, and heat maps beside it.
    display.until("window.png", |drawn| {
        colours(drawn) > 1500 && is_lit(drawn, 1270, 700)
    });
    display.resize(900, 600);
    display.until("window_small.png", |drawn| {
        colours(drawn) > 1000 && is_lit(drawn, 890, 590) && !is_lit(drawn, 1000, 700)
    });
    assert!(viewer.is_running());
}

#[test]
fn what_cannot_be_looked_at_does_not_end_it() {
    let Some(display) = Display::open() else {
        return;
    };
    for (source, name) in [
        ("/dev/video99", "window_no_camera.png"),
        ("nothing.png", "window_no_file.png"),
    ] {
        let mut viewer = display.viewer(&[source]);
        display.until(name, is_told);
        assert!(viewer.is_running());
    }
}

/// Whether the message of an error is shown: its red ground.
fn is_told(drawn: &RgbImage) -> bool {
    let red = drawn.pixels().filter(|pixel| pixel.0 == [120, 28, 28]);
    red.count() > 2000
}

/// Also where the detector computes on it.
#[test]
fn it_is_opened_again_where_its_device_is_lost() {
    let Some(display) = Display::open() else {
        return;
    };
    for device in ["cpu", "window"] {
        let viewer = display
            .command(&["--lose-device", "3", "--min-size", "64"])
            .args(["--device", device])
            .spawn();
        let mut viewer = Program(viewer.expect("the viewer was built"));
        // The message, and all the rest again.
        display.until(&format!("window_lost_{device}.png"), |drawn| {
            is_told(drawn) && colours(drawn) > 1000 && is_lit(drawn, 1270, 700)
        });
        assert!(viewer.is_running());
    }
}

/// They come once, behind what came before, and are used.
#[test]
fn weights_are_fetched_by_name() {
    let Some(display) = Display::open() else {
        return;
    };
    let config = ModelConfig::of(MOBILENET025);
    let file = seeded(&config, 1).to_safetensors(false);
    let file = file.expect("seeded weights can be written");
    let (half, length) = (file.len() / 2, file.len());
    let server = Server::new(move |number, request| {
        let reply = Reply::part(request, "\"a\"", &file);
        match number {
            0 => Reply {
                is_silent_then: true,
                ..reply.without(half)
            },
            _ => reply,
        }
    });
    let viewer = |arguments: &[&str]| {
        let mut command = display.command(arguments);
        command
            .args([
                "--weights",
                "widerface",
                "--min-size",
                "64",
                "--device",
                "cpu",
            ])
            .env("FPN_WEIGHTS_URL", &server.url)
            .env("FPN_WEIGHTS_DIR", display.folder.path());
        for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        command
    };
    let begun = viewer(&[]).spawn().map(Program);
    let mut begun = begun.expect("the viewer was built");
    let kept = |ending: &str| {
        let name = format!("Retinaface_mobilenet0.25.pth{ending}");
        display.folder.path().join(name)
    };
    // Half of it is here, and that much of the bar is filled.
    let came = || std::fs::metadata(kept(".part")).is_ok_and(|part| part.len() > 1000);
    display.until("window_fetching.png", |drawn| {
        came() && colours(drawn) > 100
    });
    assert!(begun.is_running());
    drop(begun);
    let ended = viewer(&["--measure", "1"]).output();
    let ended = ended.expect("the viewer was built");
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(String::from_utf8_lossy(&ended.stdout).contains("\"pictures\":1"));
    let asked: Vec<_> = server
        .asked()
        .iter()
        .map(|request| request.start())
        .collect();
    assert!(matches!(asked[..], [None, Some(1000..)]), "{asked:?}");
    let mut paths = server.asked().into_iter().map(|request| request.path);
    assert!(paths.all(|path| path.ends_with("/Retinaface_mobilenet0.25.pth")));
    let whole = std::fs::metadata(kept("")).expect("it is kept");
    assert_eq!(whole.len(), length as u64);
}

#[test]
fn an_unknown_name_is_a_usage_error() {
    let viewer = Command::new(env!("CARGO_BIN_EXE_fpn-viewer"))
        .args(["--weights", "no-such"])
        .output();
    let output = viewer.expect("the viewer was built");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no weights of this name"));
}

#[test]
fn without_a_display_it_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_fpn-viewer"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .expect("the viewer was built");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: no window can be opened"), "{told}");
}

#[test]
fn an_unknown_device_is_a_usage_error() {
    let viewer = Command::new(env!("CARGO_BIN_EXE_fpn-viewer"))
        .args(["--device", "no such"])
        .output();
    let output = viewer.expect("the viewer was built");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such"));
}
