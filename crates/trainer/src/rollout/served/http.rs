//! Requests with JSON bodies, repeated where that may help.
use super::ServerError;
use crate::config::Server;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use ureq::http::Request;

/// Longest answer, in bytes: a completion of 10^5 tokens with log-probabilities has some ten million.
const LONGEST_ANSWER: u64 = 256 << 20;
/// Most of an answer that a message shows, in characters.
const SHOWN: usize = 300;
/// Longest wait before a repetition.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Time between two looks at whether the run is to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// One server.
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: Option<String>,
    retries: usize,
    backoff: Duration,
}

/// What one request came to, if it was not answered.
enum Failure {
    /// It may be repeated, at the earliest after so long.
    Again(String, Duration),
    /// It will not be answered otherwise.
    Final(ServerError),
}

/// A request that may be repeated.
struct Call<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a str,
    stop: &'a AtomicBool,
    retries: &'a AtomicU64,
}

/// Reads an answer as JSON.
fn json(text: String) -> Result<Value, String> {
    serde_json::from_str(&text).map_err(|error| format!("an answer that is no JSON ({error}): {}", shown(&text)))
}

impl Client {
    pub fn new(server: &Server) -> Result<Self, ServerError> {
        let authorization = match server.api_key_env.as_str() {
            "" => None,
            name => {
                let key = std::env::var(name).map_err(|_| ServerError::Key { name: name.to_string() })?;
                Some(format!("Bearer {key}"))
            }
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs_f64(server.timeout_seconds)))
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections_per_host(server.concurrency)
            .build()
            .into();
        let url = server.url.trim_end_matches('/').trim_end_matches("/v1").to_string();
        let backoff = Duration::from_secs_f64(server.backoff_seconds);
        Ok(Self { agent, url, authorization, retries: server.retries, backoff })
    }

    /// The answer to a GET.
    pub fn get(&self, path: &str) -> Result<Value, ServerError> {
        let (stop, retries) = (AtomicBool::new(false), AtomicU64::new(0));
        self.patiently(&Call { method: "GET", path, body: "", stop: &stop, retries: &retries }, &json)
    }

    /// The answer to a POST of JSON. `stop` ends the waiting between repetitions, which `retries` counts.
    pub fn post(&self, path: &str, body: &str, stop: &AtomicBool, retries: &AtomicU64) -> Result<Value, ServerError> {
        self.patiently(&Call { method: "POST", path, body, stop, retries }, &json)
    }

    /// A request whose answer may be anything, as long as its status is good.
    pub fn command(&self, method: &str, path: &str, body: &str) -> Result<String, ServerError> {
        let (stop, retries) = (AtomicBool::new(false), AtomicU64::new(0));
        self.patiently(&Call { method, path, body, stop: &stop, retries: &retries }, &Ok)
    }

    fn patiently<T>(&self, call: &Call, read: &dyn Fn(String) -> Result<T, String>) -> Result<T, ServerError> {
        let url = format!("{}{}", self.url, call.path);
        let (mut tries, mut wait) = (0, self.backoff);
        loop {
            let answer = self.once(call.method, &url, call.body);
            let answer = answer.and_then(|text| read(text).map_err(|what| Failure::Again(what, Duration::ZERO)));
            let (last, least) = match answer {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(last, least)) => (last, least),
            };
            tries += 1;
            if tries > self.retries {
                return Err(ServerError::GaveUp { url, tries, last });
            }
            call.retries.fetch_add(1, Ordering::Relaxed);
            let until = Instant::now() + wait.max(least).min(LONGEST_WAIT);
            while Instant::now() < until {
                if call.stop.load(Ordering::Relaxed) {
                    return Err(ServerError::Stopped { url });
                }
                std::thread::sleep(PATIENCE.min(until.saturating_duration_since(Instant::now())));
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn once(&self, method: &str, url: &str, body: &str) -> Result<String, Failure> {
        let again = |error: ureq::Error| Failure::Again(error.to_string(), Duration::ZERO);
        let mut request = Request::builder().method(method).uri(url).header("content-type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body.to_string()).map_err(|error| again(ureq::Error::Http(error)))?;
        let mut response = self.agent.run(request).map_err(again)?;
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().map_err(again)?;
        match status {
            200..=299 => Ok(text),
            408 | 429 | 500..=599 => {
                let what = format!("HTTP status {status}: {}", shown(&text));
                Err(Failure::Again(what, wait.map_or(Duration::ZERO, Duration::from_secs)))
            }
            _ => {
                let hint = match status {
                    401 | 403 => "set server.api_key_env to the environment variable that holds its key",
                    404 | 405 => "see that server.url and server.reload are those of this server",
                    _ => "what the server says of the request tells which key of [rollout] or [server] it cannot take",
                };
                Err(Failure::Final(ServerError::Refused { url: url.to_string(), status, body: shown(&text), hint }))
            }
        }
    }

    /// An answer with a good status that is not what it should be.
    pub fn unexpected(&self, path: &str, expected: &str, got: &str, hint: &str) -> ServerError {
        ServerError::Unexpected {
            url: format!("{}{path}", self.url),
            expected: expected.to_string(),
            got: shown(got),
            hint: hint.to_string(),
        }
    }
}

/// The beginning of a text, on one line.
fn shown(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None if line.is_empty() => "nothing".to_string(),
        None => line,
    }
}
