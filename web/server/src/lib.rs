//! A web server for this machine only, for trying and testing the page.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tiny_http::{Header, Request, Response, Server as Http};

/// What is served.
pub struct Site {
    /// Files under this folder; `/` is its `index.html`.
    pub folder: PathBuf,
    /// Files from memory, by path without the leading slash.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Site {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        if let Some(bytes) = self.files.get(path) {
            return Some(bytes.clone());
        }
        let path = Path::new(path);
        let stays_inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        stays_inside
            .then(|| std::fs::read(self.folder.join(path)).ok())
            .flatten()
    }
}

/// A server at work, until it is dropped.
pub struct Server {
    http: Arc<Http>,
    thread: Option<JoinHandle<()>>,
    port: u16,
}

impl Server {
    /// Serve `site` on `port`, or on any that is free where that is 0.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(site: Site, port: u16) -> io::Result<Self> {
        let http = Http::http((Ipv4Addr::LOCALHOST, port)).map_err(io::Error::other)?;
        let port = http
            .server_addr()
            .to_ip()
            .map_or(port, |address| address.port());
        let http = Arc::new(http);
        let listening = http.clone();
        let thread = std::thread::spawn(move || {
            for request in listening.incoming_requests() {
                answer(&site, request);
            }
        });
        Ok(Self {
            http,
            thread: Some(thread),
            port,
        })
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.port)
    }

    /// Serve until the process ends.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A fault of the thread is told by itself.
            thread.join().ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.http.unblock();
    }
}

fn answer(site: &Site, request: Request) {
    let url = request.url().to_owned();
    let path = url.split('?').next().unwrap_or_default();
    let path = match path.trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    // Who has gone away meanwhile needs no answer.
    match site.read(path) {
        Some(bytes) => {
            let mime = mime_guess::from_path(path).first_or_octet_stream();
            let response = Response::from_data(bytes)
                .with_header(header("Content-Type", mime.essence_str()))
                .with_header(header("Cache-Control", "no-store"));
            request.respond(response).ok()
        }
        None => request
            .respond(Response::from_string("not found").with_status_code(404))
            .ok(),
    };
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("the header is plain text")
}
