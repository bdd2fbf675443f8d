//! A web server of this process, which answers as a test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Where the part begins that is asked for, if only a part is.
    pub fn start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// What is sent.
pub struct Reply {
    pub bytes: Vec<u8>,
    /// Whether the connection stays open behind them, and nothing more comes.
    pub is_silent_then: bool,
}

impl Reply {
    /// A status with headers, a line each, and a body whose length is told.
    pub fn new(status: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        );
        Self {
            bytes: [head.as_bytes(), body].concat(),
            is_silent_then: false,
        }
    }

    /// A file with a tag, or the part of it that is asked for.
    pub fn part(request: &Request, tag: &str, file: &[u8]) -> Self {
        let headers = format!("ETag: {tag}\r\n");
        match request.start() {
            Some(start) if request.header("if-range") == Some(tag) && start < file.len() => {
                let (last, length) = (file.len() - 1, file.len());
                let headers = format!("{headers}Content-Range: bytes {start}-{last}/{length}\r\n");
                Self::new("206 Partial Content", &headers, &file[start..])
            }
            Some(start) if request.header("if-range") == Some(tag) && start >= file.len() => {
                let headers = format!("Content-Range: bytes */{}\r\n", file.len());
                Self::new("416 Range Not Satisfiable", &headers, b"")
            }
            _ => Self::new("200 OK", &headers, file),
        }
    }

    /// The same without its last bytes.
    pub fn without(mut self, last: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - last);
        self
    }
}

pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// One that answers its n-th request, counted from 0, as `answer` says.
    pub fn new(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its own address");
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let server = Self {
            url: format!("http://{address}"),
            asked: asked.clone(),
        };
        let answer = Arc::new(answer);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, asked) = (answer.clone(), asked.clone());
                thread::spawn(move || {
                    let Some(request) = read(&stream) else {
                        return;
                    };
                    let number = {
                        let mut asked = asked.lock().expect("no test panics with it");
                        asked.push(request.clone());
                        asked.len() - 1
                    };
                    let reply = answer(number, &request);
                    // Whoever asked may have gone.
                    let _ = (&stream).write_all(&reply.bytes);
                    if reply.is_silent_then {
                        thread::park();
                    }
                });
            }
        });
        server
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("no test panics with it").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let headers = lines.take_while(|line| !line.is_empty());
    let headers = headers.filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    });
    Some(Request {
        path,
        headers: headers.collect(),
    })
}
