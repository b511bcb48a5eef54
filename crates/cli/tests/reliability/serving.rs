//! `surefoot serve` as a process, and a proxy before it that does what networks and servers do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::tiny::surefoot;

/// A server; it ends when this is dropped.
pub struct Serving {
    child: Child,
    pub url: String,
}

impl Serving {
    pub fn start(model: &Path) -> Self {
        let mut child = surefoot(["serve", "--port", "0", "--threads", "2", "--model"]).arg(model).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { child, url: url.trim().to_string() }
    }

    /// The answer to a request, with its status.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let request = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let answer = forward(self.address(), request.as_bytes());
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    /// The answer to these bytes.
    pub fn ask_raw(&self, request: &[u8]) -> String {
        String::from_utf8(forward(self.address(), request)).unwrap()
    }

    /// Sends a request, whose answer nobody reads yet.
    pub fn send(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// A proxy that hands all requests to `other` from the completion with number `after` on, as if this server had been started
    /// anew. `Told::Lost`: completions' connections end without an answer until it loads weights, and answers name none.
    pub fn replaced_by(&self, other: &Serving, after: usize, told: Told) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (first, second) = (self.address().to_string(), other.address().to_string());
        let (number, loaded) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (first, second) = (first.clone(), second.clone());
                let (number, loaded) = (number.clone(), loaded.clone());
                std::thread::spawn(move || {
                    let Some(request) = read_request(&mut stream) else { return };
                    let completion = request.starts_with(b"POST /v1/completions");
                    let now = number.fetch_add(usize::from(completion), Ordering::SeqCst);
                    let lost = now >= after && told == Told::Lost;
                    if completion && lost && !loaded.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut answer = forward(if now < after { &first } else { &second }, &request);
                    loaded.fetch_or(lost && !completion, Ordering::SeqCst);
                    if told == Told::Lost {
                        let text = String::from_utf8(answer).unwrap();
                        answer = text.replace("system_fingerprint", "something_unknown_").into_bytes();
                    }
                    let _gone = stream.write_all(&answer);
                });
            }
        });
        url
    }

    /// A proxy that calls `fault` for every answer to a completion, with its number.
    pub fn behind(&self, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> String {
        self.behind_at("POST /v1/completions", fault)
    }

    /// The same for answers to requests that begin with `request`.
    pub fn behind_at(&self, request: &'static str, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (upstream, fault, number) = (self.address().to_string(), Arc::new(fault), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (upstream, fault, number) = (upstream.clone(), fault.clone(), number.clone());
                std::thread::spawn(move || proxy(stream, &upstream, request, &*fault, &number));
            }
        });
        url
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// How a client can know that a server was started anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Its answers name other weights.
    Named,
    /// A connection was lost.
    Lost,
}

/// What becomes of the answer with this number.
pub type Faults = fn(usize) -> Fault;

/// A change of an answer's body.
pub type Change = fn(&mut serde_json::Value);

/// What becomes of an answer.
#[derive(Clone, Copy)]
pub enum Fault {
    /// It arrives.
    None,
    /// It does not come for so long.
    Stall(Duration),
    /// The connection ends in the middle of the body.
    Cut,
    /// Another status, with headers.
    Status(&'static str),
    /// Something that is no JSON.
    Garbage,
    /// The body, changed.
    Change(Change),
}

fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        request.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some([request.into_bytes(), body].concat())
}

fn forward(address: &str, request: &[u8]) -> Vec<u8> {
    let mut upstream = TcpStream::connect(address).unwrap();
    upstream.write_all(request).unwrap();
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).unwrap();
    answer
}

fn proxy(mut stream: TcpStream, upstream: &str, of: &str, fault: &dyn Fn(usize) -> Fault, number: &AtomicUsize) {
    let Some(request) = read_request(&mut stream) else { return };
    let fault =
        if request.starts_with(of.as_bytes()) { fault(number.fetch_add(1, Ordering::SeqCst)) } else { Fault::None };
    let with = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
    };
    let answer = match fault {
        Fault::None => forward(upstream, &request),
        Fault::Stall(time) => {
            std::thread::sleep(time);
            return;
        }
        Fault::Cut => {
            let answer = forward(upstream, &request);
            answer[..answer.len() - 40].to_vec()
        }
        Fault::Status(status) => with(status, "{\"error\": \"the model is busy\"}"),
        Fault::Garbage => with("200 OK", "<html>bad gateway</html>"),
        Fault::Change(change) => {
            let answer = String::from_utf8(forward(upstream, &request)).unwrap();
            let mut body = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
            change(&mut body);
            with("200 OK", &body.to_string())
        }
    };
    // A client whose time is over does not read.
    let _gone = stream.write_all(&answer);
}
