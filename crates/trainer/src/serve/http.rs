//! As much of HTTP/1.1 as a completion needs: one request a connection, bodies with a length.
use super::Refused;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest request line and headers, in bytes.
const LONGEST_HEAD: u64 = 64 << 10;
/// Longest body, in bytes: prompts of 10^6 tokens have some ten million.
const LONGEST_BODY: u64 = 64 << 20;
/// A client that says nothing for so long is left.
const SILENCE: Duration = Duration::from_secs(60);

/// A request.
pub(super) struct Request {
    pub method: String,
    pub path: String,
    pub body: String,
}

/// Reads a request; the inner error is what is refused.
pub(super) fn read(stream: &mut TcpStream) -> std::io::Result<Result<Request, Refused>> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream);
    let mut head = reader.by_ref().take(LONGEST_HEAD);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_string);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(Err((400, "no HTTP request".to_string())));
    };
    let (mut length, mut expects) = (0, false);
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(Err((400, "headers without an end, or of more than 64 KiB".to_string())));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => match value.parse() {
                Ok(bytes) if bytes <= LONGEST_BODY => length = bytes,
                _ => return Ok(Err((413, format!("a body of {value} bytes; at most {LONGEST_BODY} are read")))),
            },
            ("transfer-encoding", _) => return Ok(Err((411, "send the body with Content-Length".to_string()))),
            ("expect", "100-continue") => expects = true,
            _ => {}
        }
    }
    if expects {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    if (body.len() as u64) < length {
        return Ok(Err((400, format!("{} of {length} bytes of the body", body.len()))));
    }
    let body = match String::from_utf8(body) {
        Ok(body) => body,
        Err(_) => return Ok(Err((400, "the body is not UTF-8".to_string()))),
    };
    let path = path.split('?').next().unwrap_or_default().to_string();
    Ok(Ok(Request { method, path, body }))
}

/// Writes an answer of JSON.
pub(super) fn write(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let reason = if status == 200 { "OK" } else { "Refused" };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    stream.flush()
}

/// Whether the client has closed the connection, whose request has been read.
pub(super) fn has_gone(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let gone = match stream.peek(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    gone || stream.set_nonblocking(false).is_err()
}
