//! Requests with JSON bodies, repeated where that may help.
use super::ServerError;
use crate::config::Server;
use crate::excerpt::excerpt;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use ureq::http::Request;

/// Longest answer, in bytes: a completion of 10^5 tokens with log-probabilities has some ten million.
const LONGEST_ANSWER: u64 = 256 << 20;
/// Most of an answer that a message shows, in characters.
const SHOWN: usize = 300;
/// Longest wait before a repetition, where the server asks for none.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait that a server may ask for: one that wants more is not there today.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
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
pub(super) enum Failure {
    /// There was no connection, or it ended before the answer: the server may be another process by now.
    Lost(String),
    /// It may be repeated, at the earliest after so long.
    Again(String, Duration),
    /// It will not be answered otherwise.
    Final(ServerError),
}

/// A request that may be repeated.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a str,
    /// Ends the waiting between repetitions.
    pub stop: &'a AtomicBool,
    /// Counts them.
    pub retries: &'a AtomicU64,
}

/// Reads an answer as JSON.
pub(super) fn json(text: String) -> Result<Value, String> {
    serde_json::from_str(&text)
        .map_err(|error| format!("an answer that is no JSON ({error}): {}", excerpt(&text, SHOWN)))
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
    pub fn get(self: &Arc<Self>, path: &str, cancelled: &dyn Fn() -> bool) -> Result<Value, ServerError> {
        let (client, sent) = (self.clone(), path.to_string());
        let ask = move |stop: &AtomicBool| {
            let call = Call { method: "GET", path: &sent, body: "", stop, retries: &AtomicU64::new(0) };
            client.patiently(&call, &|| client.once(&call, &json))
        };
        self.apart(path, cancelled, ask)
    }

    /// Does requests on a thread of its own: one that is under way cannot be ended, and is left to itself when the run is to
    /// stop. `path` is for the message.
    pub fn apart<T: Send + 'static>(
        &self,
        path: &str,
        cancelled: &dyn Fn() -> bool,
        ask: impl FnOnce(&AtomicBool) -> Result<T, ServerError> + Send + 'static,
    ) -> Result<T, ServerError> {
        let (tell, answer) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let ask = move || {
            // Nobody listens where the run was stopped.
            let _gone = tell.send(ask(&stopped));
        };
        let thread = std::thread::Builder::new().name("request".to_string()).spawn(ask).map_err(ServerError::Thread)?;
        while !cancelled() {
            match answer.recv_timeout(PATIENCE) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    if let Err(panic) = thread.join() {
                        std::panic::resume_unwind(panic);
                    }
                    break;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        Err(ServerError::Stopped { url: format!("{}{path}", self.url) })
    }

    /// Does `attempt` at a call until it is answered, or has failed too often.
    pub fn patiently<T>(&self, call: &Call, attempt: &dyn Fn() -> Result<T, Failure>) -> Result<T, ServerError> {
        let url = format!("{}{}", self.url, call.path);
        let (mut tries, mut wait) = (0, self.backoff);
        loop {
            let (last, least) = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Lost(last)) => (last, Duration::ZERO),
                Err(Failure::Again(last, least)) => (last, least),
            };
            tries += 1;
            if tries > self.retries {
                return Err(ServerError::GaveUp { url, tries, last });
            }
            call.retries.fetch_add(1, Ordering::Relaxed);
            let until = Instant::now() + wait.min(LONGEST_WAIT).max(least.min(LONGEST_ASKED));
            while Instant::now() < until {
                if call.stop.load(Ordering::Relaxed) {
                    return Err(ServerError::Stopped { url });
                }
                std::thread::sleep(PATIENCE.min(until.saturating_duration_since(Instant::now())));
            }
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    /// Makes a request, and reads its answer.
    pub fn once<T>(&self, call: &Call, read: &dyn Fn(String) -> Result<T, String>) -> Result<T, Failure> {
        let Call { method, path, body, .. } = *call;
        let url = format!("{}{path}", self.url);
        let again = |error: ureq::Error| Failure::Again(error.to_string(), Duration::ZERO);
        let mut request = Request::builder().method(method).uri(&url).header("content-type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body.to_string()).map_err(|error| again(ureq::Error::Http(error)))?;
        let mut response = self.agent.run(request).map_err(|error| match error {
            ureq::Error::Timeout(_) => again(error),
            error => Failure::Lost(error.to_string()),
        })?;
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().map_err(again)?;
        match status {
            200..=299 => read(text).map_err(|what| Failure::Again(what, Duration::ZERO)),
            408 | 429 | 500..=599 => {
                let what = format!("HTTP status {status}: {}", excerpt(&text, SHOWN));
                Err(Failure::Again(what, wait.map_or(Duration::ZERO, Duration::from_secs)))
            }
            _ => {
                let hint = match status {
                    401 | 403 => "set server.api_key_env to the environment variable that holds its key",
                    404 | 405 => "see that server.url and server.reload are those of this server",
                    _ => "what the server says of the request tells which key of [rollout] or [server] it cannot take",
                };
                Err(Failure::Final(ServerError::Refused { url, status, body: excerpt(&text, SHOWN), hint }))
            }
        }
    }

    /// An answer with a good status that is not what it should be.
    pub fn unexpected(&self, path: &str, expected: &str, got: &str, hint: &str) -> ServerError {
        ServerError::Unexpected {
            url: format!("{}{path}", self.url),
            expected: expected.to_string(),
            got: excerpt(got, SHOWN),
            hint: hint.to_string(),
        }
    }
}
