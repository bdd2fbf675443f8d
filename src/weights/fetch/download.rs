//! One file over HTTP, taken up again where it broke off.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

use super::error::{Stop, go_on};
use super::incoming::unwritable;
use super::{News, Tell};

/// How long a server may send nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a broken connection is taken up again, as long as something came over it.
const ATTEMPTS: usize = 5;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// What fetches a URL, by the proxy that the environment names. From an encrypted address it follows no redirection to
/// one that is not.
pub fn agent(url: &str) -> Agent {
    patient(PATIENCE)
        .https_only(url.starts_with("https:"))
        .build()
        .into()
}

/// The usual way to fetch, but for how long a server may send nothing.
pub fn patient(patience: Duration) -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("fpn-wgpu/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(patience))
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience))
        .timeout_per_write(Some(patience))
}

/// Why a file is not whole.
enum Failure {
    /// The connection broke, after so many bytes.
    Broken(u64, String),
    /// What is here is of another file than the one that is there now.
    Stale,
    /// Another attempt would fail as well, or is not wanted.
    Final(Stop),
}

impl Failure {
    fn told(reason: impl Into<String>) -> Self {
        Self::Final(Stop::Failed(reason.into()))
    }
}

/// The file at `url` into `part`, which may hold the beginning of it already.
///
/// # Errors
/// If there is no such file, no connection, or nowhere to write to, in a few words; or if it is given up. What came
/// stays in `part`.
pub fn download(agent: &Agent, url: &str, part: &Path, tell: &mut Tell<'_>) -> Result<(), Stop> {
    let mut attempts = 1..=ATTEMPTS;
    loop {
        let is_last = attempts.next() == Some(ATTEMPTS);
        match attempt(agent, url, part, tell) {
            Ok(()) => break,
            Err(Failure::Stale) if !is_last => Tag::of(part).forget(),
            Err(Failure::Broken(1.., _)) if !is_last => {}
            Err(Failure::Broken(_, reason)) => return Err(broken(reason, part)),
            Err(Failure::Stale) => {
                let told = "the file changes while it is fetched";
                return Err(Stop::Failed(told.to_owned()));
            }
            Err(Failure::Final(stop)) => return Err(stop),
        }
    }
    Tag::of(part).forget();
    Ok(())
}

fn broken(reason: String, part: &Path) -> Stop {
    let is_resumed = Tag::of(part).read().is_some();
    Stop::Failed(match fs::metadata(part).map_or(0, |found| found.len()) {
        came @ 1.. if is_resumed => format!(
            "{reason} ({:.1} MB came, behind which the next run goes on)",
            came as f64 / 1e6
        ),
        _ => reason,
    })
}

fn attempt(agent: &Agent, url: &str, part: &Path, tell: &mut Tell<'_>) -> Result<(), Failure> {
    let here = Tag::of(part).read().and_then(|tag| {
        let length = fs::metadata(part).ok()?.len();
        (length > 0).then_some((tag, length))
    });
    match ask(agent, url, here)? {
        Some(answer) => keep(answer, part, tell),
        None => Ok(()),
    }
}

/// What a server sends of a file.
struct Answer {
    /// The first byte's place.
    start: u64,
    /// Of the whole file, in bytes, if it says so.
    length: Option<u64>,
    response: Response<Body>,
}

/// Ask for a file, or for the rest of it where so many bytes of the version of this tag are here; none where that is all.
fn ask(agent: &Agent, url: &str, here: Option<(String, u64)>) -> Result<Option<Answer>, Failure> {
    let mut request = agent.get(url);
    if let Some((tag, length)) = &here {
        let range = format!("bytes={length}-");
        request = request.header("Range", range).header("If-Range", tag);
    }
    let response = request.call();
    let response = response.map_err(|error| Failure::told(told(&error)))?;
    let asked = here.map_or(0, |(_, length)| length);
    let status = response.status();
    let (start, length) = match (status.as_u16(), Range::of(&response)) {
        (200, _) => {
            let length = header(&response, "content-length");
            (0, length.and_then(|length| length.parse().ok()))
        }
        (
            206,
            Some(Range {
                start: Some(start),
                length,
            }),
        ) if start == asked => (start, length),
        (206, _) => {
            let told = "the server sends another part than it is asked for";
            return Err(Failure::told(told));
        }
        (
            416,
            Some(Range {
                start: None,
                length: Some(length),
            }),
        ) if asked == length => return Ok(None),
        (416, _) if asked > 0 => return Err(Failure::Stale),
        _ => return Err(Failure::told(format!("the server answers {status}"))),
    };
    Ok(Some(Answer {
        start,
        length,
        response,
    }))
}

/// Put what a server sends behind what is here of it.
fn keep(answer: Answer, part: &Path, tell: &mut Tell<'_>) -> Result<(), Failure> {
    let Answer {
        start,
        length,
        mut response,
    } = answer;
    let cannot = |error: std::io::Error| Failure::Final(unwritable(part, &error));
    if start == 0 {
        Tag::of(part).keep(version(&response)).map_err(cannot)?;
    }
    let mut options = OpenOptions::new();
    options
        .create(true)
        .write(start == 0)
        .truncate(start == 0)
        .append(start > 0);
    let mut file = options.open(part).map_err(cannot)?;
    let mut body = response.body_mut().as_reader();
    let mut piece = vec![0; PIECE];
    let mut came = 0;
    let cut = |came| match length {
        Some(length) => format!(
            "the connection ended after {} of {length} bytes",
            start + came
        ),
        None => "the connection ended too early".to_owned(),
    };
    loop {
        let bytes = start + came;
        go_on(tell(News::Came { bytes, of: length })).map_err(Failure::Final)?;
        match body.read(&mut piece) {
            // Where nobody said how long it is, its hash will tell.
            Ok(0) if length.is_none_or(|length| start + came == length) => return Ok(()),
            Ok(0) => return Err(Failure::Broken(came, cut(came))),
            Ok(count) => {
                file.write_all(&piece[..count]).map_err(cannot)?;
                came += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(Failure::Broken(came, cut(came)));
            }
            Err(error) => return Err(Failure::Broken(came, told(&error.into()))),
        }
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// What tells a file's versions apart, if the server says it: a tag that does not only mean much the same, or else when
/// it was changed.
fn version(response: &Response<Body>) -> Option<&str> {
    let tag = header(response, "etag").filter(|tag| tag.starts_with('"'));
    tag.or_else(|| header(response, "last-modified"))
}

/// The header `Content-Range`: `bytes 5-9/10`, or `bytes */10`.
struct Range {
    /// Of the first byte that is sent; none where none is.
    start: Option<u64>,
    /// Of the whole file, if it is known.
    length: Option<u64>,
}

impl Range {
    fn of(response: &Response<Body>) -> Option<Self> {
        let range = header(response, "content-range")?.strip_prefix("bytes ")?;
        let (part, length) = range.split_once('/')?;
        Some(Self {
            start: part
                .split_once('-')
                .and_then(|(start, _)| start.parse().ok()),
            length: length.parse().ok(),
        })
    }
}

/// The version of what is here of a file, kept beside it. Without it nothing is taken up again.
struct Tag(PathBuf);

impl Tag {
    fn of(part: &Path) -> Self {
        let mut path = part.as_os_str().to_owned();
        path.push(".tag");
        Self(path.into())
    }

    fn read(&self) -> Option<String> {
        fs::read_to_string(&self.0).ok()
    }

    fn keep(&self, version: Option<&str>) -> std::io::Result<()> {
        match version {
            Some(version) => fs::write(&self.0, version),
            None => {
                self.forget();
                Ok(())
            }
        }
    }

    fn forget(&self) {
        // One that is left behind fits no other version.
        let _ = fs::remove_file(&self.0);
    }
}

/// What went wrong, in the words of someone who waits for a file.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "its host is not known (is there a network?)".to_owned(),
        ureq::Error::Timeout(_) => "the server sends nothing".to_owned(),
        ureq::Error::TooManyRedirects => "it is redirected too often".to_owned(),
        ureq::Error::RequireHttpsOnly(_) => {
            "it is redirected to an address that is not encrypted".to_owned()
        }
        error => error.to_string(),
    }
}
