//! Samples of an older policy or of another engine.

use super::{Found, within};
use crate::config::Config;
use crate::config::choice::{CorrectionMode, Reload};

/// Each step of staleness keeps a copy of the weights.
const MOST_STALENESS: u64 = 64;

pub(super) fn correction(config: &Config, found: &mut Found) {
    if let Err((key, error)) = config.try_correction() {
        found.push((key, format!("does not fit: {error}")));
    }
}

pub(super) fn server(config: &Config, found: &mut Found) {
    let (server, staleness) = (&config.server, config.rollout.staleness);
    let rule = format!("at most {MOST_STALENESS}, as each step of it keeps a copy of the weights");
    within(found, "rollout.staleness", staleness as f64, staleness <= MOST_STALENESS, &rule);
    let seconds = |value: f64| (0.0..=1e6).contains(&value);
    let (timeout, backoff) = (server.timeout_seconds, server.backoff_seconds);
    within(found, "server.timeout_seconds", timeout, timeout > 0.0 && seconds(timeout), "greater than 0, at most 1e6");
    within(found, "server.backoff_seconds", backoff, seconds(backoff), "between 0 and 1e6");
    if config.remote() && !server.url.starts_with("http://") {
        let url = &server.url;
        found.push((
            "server.url",
            format!(
                "is {url:?}; it must begin with http:// (for a server behind TLS, a tunnel such as ssh -L gives one)"
            ),
        ));
    }
    let custom = server.reload == Reload::Custom;
    if custom && !server.reload_path.starts_with('/') {
        found.push(("server.reload_path", "must begin with / with server.reload = \"custom\"".to_string()));
    }
    let body = server.reload_body.replace("{path}", "path");
    if custom && serde_json::from_str::<serde_json::Value>(&body).is_err() {
        found.push(("server.reload_body", format!("is no JSON: {}", server.reload_body)));
    }
    if config.remote() && config.correction.mode == CorrectionMode::Bypass && !config.rollout.stop.is_empty() {
        found.push((
            "correction.mode",
            "is \"bypass\", which needs every token's log-probability of the server, and with rollout.stop servers leave out those of the text that ended a completion; use \"decoupled\""
                .to_string(),
        ));
    }
}
