//! Files fetched from a server of the test's own.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::download::{download, patient};
use super::error::Stop;
use super::kept::Wanted;
use super::{News, Tell};
use crate::weights::official;
use server::{Reply, Server};

#[path = "../../../tests/server/mod.rs"]
mod server;

const NAME: &str = "weights-01234567.pth";

/// Enough for several pieces, no two of which are alike.
fn content() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// A folder, and the file that should be in it.
struct Place {
    folder: TempDir,
    sha256: Option<String>,
}

impl Place {
    /// For a file of that content.
    fn of(content: &[u8]) -> Self {
        let sha256 = official::sha256(content).expect("memory can be read");
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            sha256: Some(sha256[..8].to_owned()),
        }
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{NAME}{ending}"))
    }

    fn wanted<'a>(&'a self, folder: &'a Path) -> Wanted<'a> {
        Wanted {
            name: NAME,
            sha256_prefix: self.sha256.as_deref(),
            folder,
        }
    }

    fn get_from(&self, url: &str, tell: &mut Tell<'_>) -> Result<PathBuf, Stop> {
        let agent = patient(Duration::from_millis(500))
            .proxy(None)
            .build()
            .into();
        let wanted = self.wanted(self.folder.path());
        let url = format!("{url}/{NAME}");
        wanted.get(tell, |part, tell| download(&agent, &url, part, tell))
    }

    fn get(&self, server: &Server) -> Result<PathBuf, Stop> {
        self.get_from(&server.url, &mut patiently)
    }

    /// Why the file cannot be had.
    #[track_caller]
    fn fails(&self, server: &Server) -> String {
        let stop = self.get(server).expect_err("it should not come");
        assert!(!self.path("").exists());
        reason(stop)
    }

    /// Names of all files, but for the lock's.
    fn files(&self) -> Vec<String> {
        let found = fs::read_dir(self.folder.path()).expect("a folder");
        let names = found.map(|entry| {
            let name = entry.expect("a file").file_name();
            name.into_string().expect("a plain name")
        });
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort();
        names
    }

    /// That the file came, and nothing else is left.
    #[track_caller]
    fn has(&self, got: Result<PathBuf, Stop>, content: &[u8]) {
        assert_eq!(got.expect("it comes"), self.path(""));
        assert_eq!(fs::read(self.path("")).expect("a file"), content);
        assert_eq!(self.files(), [NAME]);
    }
}

/// Whoever waits for as long as it takes.
fn patiently(_: News<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[track_caller]
fn reason(stop: Stop) -> String {
    match stop {
        Stop::Failed(reason) => reason,
        Stop::Cancelled => panic!("nobody gave it up"),
    }
}

fn tagged(file: &'static str) -> impl Fn(usize, &server::Request) -> Reply {
    move |_, request| Reply::part(request, file, &content())
}

#[test]
fn a_file_comes_once() {
    let server = Server::new(tagged("\"a\""));
    let place = Place::of(&content());
    assert_eq!(
        place
            .wanted(place.folder.path())
            .find(&mut patiently)
            .expect("a folder"),
        None
    );
    for _ in 0..2 {
        place.has(place.get(&server), &content());
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, format!("/{NAME}"));
    assert_eq!(asked[0].start(), None);
    assert!(
        asked[0]
            .header("user-agent")
            .is_some_and(|name| name.starts_with("fpn-wgpu/"))
    );
}

#[test]
fn a_broken_connection_is_taken_up_again() {
    let server = Server::new(|number, request| {
        let reply = Reply::part(request, "\"a\"", &content());
        match number {
            0 => reply.without(100_000),
            1 => reply.without(50_000),
            _ => reply,
        }
    });
    let place = Place::of(&content());
    place.has(place.get(&server), &content());
    let starts: Vec<_> = server.asked().iter().map(server::Request::start).collect();
    assert_eq!(starts, [None, Some(700_000), Some(750_000)]);
}

#[test]
fn a_later_run_goes_on_where_an_earlier_one_broke_off() {
    let server = Server::new(|number, request| {
        let reply = Reply::part(request, "\"a\"", &content());
        match number {
            0 => reply.without(300_000),
            // Nothing of the body.
            1 => reply.without(300_000),
            _ => reply,
        }
    });
    let place = Place::of(&content());
    let said = place.fails(&server);
    assert_eq!(
        said,
        "the connection ended after 500000 of 800000 bytes (0.5 MB came, behind which the next run goes on)"
    );
    assert_eq!(
        place.files(),
        [format!("{NAME}.part"), format!("{NAME}.part.tag")]
    );
    place.has(place.get(&server), &content());
    assert_eq!(server.asked()[2].start(), Some(500_000));
}

/// A server that knows no parts, one whose file changed, and one whose file became shorter.
#[test]
fn what_cannot_be_gone_on_with_begins_anew() {
    let short = || content()[..400_000].to_vec();
    type Answer = fn(&server::Request) -> Reply;
    let answers: [(Answer, Vec<u8>); 3] = [
        (|_| Reply::new("200 OK", "", &content()), content()),
        (
            |request| Reply::part(request, "\"b\"", &content()),
            content(),
        ),
        (
            |request| Reply::part(request, "\"a\"", &content()[..400_000]),
            short(),
        ),
    ];
    for (later, expected) in answers {
        let server = Server::new(move |number, request| match number {
            0 => Reply::part(request, "\"a\"", &content()).without(300_000),
            _ => later(request),
        });
        let place = Place::of(&expected);
        place.has(place.get(&server), &expected);
        assert_eq!(server.asked()[1].start(), Some(500_000));
    }
}

/// Without a tag nobody knows whether the rest is the same file's; a weak one does not say it.
#[test]
fn what_has_no_tag_begins_anew() {
    for headers in ["", "ETag: W/\"a\"\r\n"] {
        let server = Server::new(move |number, _| {
            let reply = Reply::new("200 OK", headers, &content());
            if number == 0 {
                reply.without(300_000)
            } else {
                reply
            }
        });
        let place = Place::of(&content());
        place.has(place.get(&server), &content());
        assert_eq!(server.asked()[1].start(), None);
    }
    let date = "Wed, 01 Jul 2020 00:00:00 GMT";
    let server = Server::new(move |number, _| {
        let headers = format!("Last-Modified: {date}\r\n");
        let reply = Reply::new("200 OK", &headers, &content());
        if number == 0 {
            reply.without(300_000)
        } else {
            reply
        }
    });
    let place = Place::of(&content());
    place.has(place.get(&server), &content());
    assert_eq!(server.asked()[1].header("if-range"), Some(date));
}

/// The process ended between the last byte and the new name.
#[test]
fn a_part_that_is_whole_is_taken() {
    let server = Server::new(tagged("\"a\""));
    let place = Place::of(&content());
    fs::write(place.path(".part"), content()).expect("a file");
    fs::write(place.path(".part.tag"), "\"a\"").expect("a file");
    place.has(place.get(&server), &content());
    assert_eq!(server.asked()[0].start(), Some(800_000));
}

#[test]
fn a_file_of_another_hash_is_kept_aside() {
    for (body, length) in [
        (vec![1; 1000], 1000),
        (content()[1..].to_vec(), 799_999),
        (Vec::new(), 0),
    ] {
        let sha256 = official::sha256(&*body).expect("memory can be read");
        let server = Server::new(move |_, request| Reply::part(request, "\"a\"", &body));
        let place = Place::of(&content());
        let aside = format!("{NAME}.wrong-{}", &sha256[..8]);
        let said = place.fails(&server);
        let (found, expected) = (&sha256[..8], place.sha256.as_deref().expect("a hash"));
        let kept = place.folder.path().join(&aside);
        assert_eq!(
            said,
            format!(
                "what came is another file: its SHA-256 begins with {found}, expected {expected}; it is kept as {}",
                kept.display()
            )
        );
        assert_eq!(place.files(), [aside]);
        assert_eq!(fs::metadata(kept).expect("a file").len(), length);
    }
}

#[test]
fn a_wrong_file_that_lies_there_is_not_used() {
    let server = Server::new(tagged("\"a\""));
    let place = Place::of(&content());
    fs::write(place.path(""), "<html>").expect("a file");
    let got = place.get(&server);
    assert_eq!(fs::read(got.expect("it comes")).expect("a file"), content());
    let files = place.files();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files[1].starts_with(&format!("{NAME}.wrong-")), "{files:?}");
}

/// Where no hash is known, what comes must at least be a checkpoint.
#[test]
fn a_page_is_no_checkpoint() {
    let server = Server::new(|_, _| Reply::new("200 OK", "", b"<html>Sign in</html>"));
    let place = Place {
        sha256: None,
        ..Place::of(b"")
    };
    let said = place.fails(&server);
    assert!(
        said.starts_with("what came is no checkpoint: expected a PyTorch file"),
        "{said}"
    );
    assert!(said.contains("it is kept as "), "{said}");
}

#[test]
fn a_length_need_not_be_told() {
    let body = |bytes: &[u8]| Reply {
        bytes: [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", bytes].concat(),
        is_silent_then: false,
    };
    let server = Server::new(move |_, _| body(&content()));
    let place = Place::of(&content());
    place.has(place.get(&server), &content());
    let server = Server::new(move |_, _| body(&content()[..500]));
    let place = Place::of(&content());
    assert!(
        place
            .fails(&server)
            .starts_with("what came is another file: ")
    );
}

/// The reply without its last bytes, whose connection stays open.
fn silent(reply: Reply, last: usize) -> Reply {
    Reply {
        is_silent_then: true,
        ..reply.without(last)
    }
}

#[test]
fn a_server_that_sends_nothing_is_not_waited_for_without_end() {
    for last in [800_000, 800_010] {
        // Nothing of the body; not even all of the head.
        let server = Server::new(move |_, _| silent(Reply::new("200 OK", "", &content()), last));
        let place = Place::of(&content());
        assert_eq!(place.fails(&server), "the server sends nothing");
    }
    // In the middle; then the rest comes over another connection.
    let server = Server::new(|number, request| {
        let reply = Reply::part(request, "\"a\"", &content());
        match number {
            0 => silent(reply, 300_000),
            _ => reply,
        }
    });
    let place = Place::of(&content());
    place.has(place.get(&server), &content());
}

#[test]
fn redirections_are_followed_to_an_end() {
    let server = Server::new(|number, request| match request.path.as_str() {
        "/elsewhere" => {
            let reply = Reply::part(request, "\"a\"", &content());
            if number == 1 {
                reply.without(300_000)
            } else {
                reply
            }
        }
        _ => Reply::new("302 Found", "Location: /elsewhere\r\n", b""),
    });
    let place = Place::of(&content());
    place.has(place.get(&server), &content());
    assert_eq!(server.asked()[3].start(), Some(500_000));

    let server = Server::new(|_, _| Reply::new("302 Found", "Location: /again\r\n", b""));
    assert_eq!(
        Place::of(&content()).fails(&server),
        "it is redirected too often"
    );
}

#[test]
fn a_server_without_the_file_is_quoted() {
    for status in ["404 Not Found", "503 Service Unavailable"] {
        let server = Server::new(move |_, _| Reply::new(status, "", b"<html>"));
        let place = Place::of(&content());
        assert_eq!(place.fails(&server), format!("the server answers {status}"));
        assert_eq!(place.files(), [""; 0]);
    }
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", gone.local_addr().expect("its own address"));
    drop(gone);
    let stop = Place::of(&content())
        .get_from(&url, &mut patiently)
        .expect_err("nobody is there");
    let said = reason(stop);
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn two_at_once_fetch_once() {
    let server = Arc::new(Server::new(|_, request| {
        thread::sleep(Duration::from_millis(300));
        Reply::part(request, "\"a\"", &content())
    }));
    let place = Arc::new(Place::of(&content()));
    let both: Vec<_> = (0..2)
        .map(|_| {
            let (server, place) = (server.clone(), place.clone());
            thread::spawn(move || place.get(&server))
        })
        .collect();
    for one in both {
        place.has(one.join().expect("no panic"), &content());
    }
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::of(&content());
    fs::write(place.path(""), content()).expect("a file");
    let within = place.path("").join("folder");
    let got = place.wanted(&within).get(&mut patiently, |_, _| {
        unreachable!("there is nowhere to write")
    });
    let said = reason(got.expect_err("a file is in the way"));
    assert!(
        said.starts_with(&format!("folder {} cannot be made: ", within.display())),
        "{said}"
    );
}

/// `/dev/full` has room for nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let server = Server::new(tagged("\"a\""));
    let place = Place::of(&content());
    let part = place.path(".part");
    std::os::unix::fs::symlink("/dev/full", &part).expect("a link");
    let said = place.fails(&server);
    let expected = format!(
        "{} cannot be written: No space left on device",
        part.display()
    );
    assert!(said.starts_with(&expected), "{said}");
}

/// What came until then is not fetched again.
#[test]
fn what_is_given_up_is_taken_up_again() {
    let server = Server::new(tagged("\"a\""));
    let place = Place::of(&content());
    let mut told = Vec::new();
    let got = place.get_from(&server.url, &mut |news| {
        let News::Came { bytes, of } = news else {
            return ControlFlow::Continue(());
        };
        assert_eq!(of, Some(800_000));
        told.push(bytes);
        match bytes {
            400_000.. => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!(got, Err(Stop::Cancelled));
    assert!(told.is_sorted() && told[0] == 0, "{told:?}");
    let came = told.last().expect("something came");
    place.has(place.get(&server), &content());
    assert_eq!(server.asked()[1].start(), Some(*came as usize));
}

/// Whoever waits for another process can give up as well.
#[test]
fn waiting_for_another_can_be_given_up() {
    let place = Place::of(&content());
    let lock = fs::File::create(place.path(".lock")).expect("a file");
    lock.lock().expect("nobody else has it");
    let got = place.get_from("http://127.0.0.1:9", &mut |news| {
        assert!(matches!(news, News::Waits), "{news:?}");
        ControlFlow::Break(())
    });
    assert_eq!(got, Err(Stop::Cancelled));
}
