//! The weights that a server was given, and whether it still has them: a server that was started anew has those that it starts
//! with, and says nothing of it.
//!
//! They are loaded again after a connection that could not be made or ended without an answer, and when an answer names other
//! weights (`system_fingerprint`, as `surefoot serve` gives it) than the server named when it loaded them. Requests wait while a
//! server loads, so that no answer comes from others.
use super::ServerError;
use super::http::{Call, Client, Failure, json};
use super::weights::{Load, fingerprint};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a server has.
#[derive(Default)]
pub(super) struct Held(Mutex<Now>);

#[derive(Default)]
struct Now {
    /// Version of the weights; `None` where it is not known.
    version: Option<u64>,
    /// How they are loaded.
    load: Option<Load>,
    /// What the server calls them.
    fingerprint: Option<String>,
    /// How often something was loaded.
    loads: u64,
}

impl Held {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server has weights of `version`.
    pub fn has(&self, version: u64) -> bool {
        self.now().version == Some(version)
    }

    /// Has a version loaded.
    pub fn load(&self, client: &Client, version: u64, load: Load, stop: &AtomicBool) -> Result<(), ServerError> {
        let mut now = self.now();
        *now = Now { load: Some(load), loads: now.loads, ..Now::default() };
        now.load(client, stop, &AtomicU64::new(0))?;
        now.version = Some(version);
        Ok(())
    }

    /// The answer to a completion by the weights that the server was given.
    pub fn complete(
        &self,
        client: &Client,
        body: &str,
        stop: &AtomicBool,
        retries: &AtomicU64,
    ) -> Result<Value, ServerError> {
        let call = Call { method: "POST", path: "/v1/completions", body, stop, retries };
        client.patiently(&call, &|| {
            let (loads, expected) = {
                let now = self.now();
                (now.loads, now.fingerprint.clone())
            };
            let failure = match client.once(&call, &json) {
                Err(Failure::Lost(what)) => Failure::Lost(what),
                Ok(answer) => match (expected, fingerprint(&answer)) {
                    (Some(expected), Some(found)) if expected != found => Failure::Again(
                        format!("an answer by the weights {found}, and not by {expected}, which it was given"),
                        Duration::ZERO,
                    ),
                    _ => return Ok(answer),
                },
                failed => return failed,
            };
            self.load_again(client, loads, stop, retries).map_err(Failure::Final)?;
            Err(failure)
        })
    }

    /// Has the version loaded once more, unless another request has seen to it since there were `loads`.
    fn load_again(
        &self,
        client: &Client,
        loads: u64,
        stop: &AtomicBool,
        retries: &AtomicU64,
    ) -> Result<(), ServerError> {
        let mut now = self.now();
        if now.loads == loads { now.load(client, stop, retries) } else { Ok(()) }
    }
}

impl Now {
    fn load(&mut self, client: &Client, stop: &AtomicBool, retries: &AtomicU64) -> Result<(), ServerError> {
        let Some(load) = &self.load else { return Ok(()) };
        let mut named = None;
        for call in load.calls(stop, retries) {
            let answer = client.patiently(&call, &|| client.once(&call, &Ok))?;
            named = load.read(client, call.path, &answer)?.or(named);
        }
        self.fingerprint = named;
        self.loads += 1;
        Ok(())
    }
}
