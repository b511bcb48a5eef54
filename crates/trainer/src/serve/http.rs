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

/// A client whose request is refused may go on with it for so long.
const MOMENT: Duration = Duration::from_millis(200);

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
    let line = read_line(&mut head)?;
    let mut words = line.split_whitespace().map(str::to_string);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(Err((400, "no HTTP request".to_string())));
    };
    let (mut length, mut expects) = (None::<u64>, false);
    loop {
        let line = read_line(&mut head)?;
        if !line.ends_with('\n') {
            drain(&mut reader);
            return Ok(Err((400, "headers without an end, or of more than 64 KiB".to_string())));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => match value.parse() {
                Ok(bytes) if bytes > LONGEST_BODY => {
                    return Ok(Err((413, format!("a body of {bytes} bytes; at most {LONGEST_BODY} are read"))));
                }
                Ok(bytes) if length.is_none_or(|length| length == bytes) => length = Some(bytes),
                Ok(_) => return Ok(Err((400, "two lengths of one body".to_string()))),
                Err(_) => return Ok(Err((400, format!("Content-Length: {value:?} is no number of bytes")))),
            },
            ("transfer-encoding", _) => return Ok(Err((411, "send the body with Content-Length".to_string()))),
            ("expect", "100-continue") => expects = true,
            _ => {}
        }
    }
    if expects {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let (length, mut body) = (length.unwrap_or(0), Vec::new());
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

/// A line of the head; bytes that are no UTF-8 are in no header that is looked at.
fn read_line(head: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = Vec::new();
    head.read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Reads on for a moment: a connection that is closed while its client still writes is reset, and the client does not see the answer.
fn drain(reader: &mut BufReader<&mut TcpStream>) {
    let _silent = reader.get_ref().set_read_timeout(Some(MOMENT));
    let _gone = std::io::copy(&mut reader.by_ref().take(LONGEST_BODY), &mut std::io::sink());
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
