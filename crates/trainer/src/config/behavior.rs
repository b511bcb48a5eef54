//! Sections about samples that another policy or another engine drew: who samples, and how that is corrected.
//!
//! Sources: verl = `algorithm.rollout_correction` and vLLM, SGLang = their servers, as documented in 2026.

use surefoot_objectives::correction::Correction as Weights;
use surefoot_objectives::{OptionError, Value};

use super::Config;
use super::choice::{CorrectionMode, Importance, Reload, ServerPrompt};
use super::table::stage;

stage! {
    /// How samples of an older policy (`rollout.staleness`) or of another engine (`server.url`) are trained on.
    Correction in "correction" {
        /// Which policy the importance ratio starts from: `bypass` takes the one that sampled, so that `logp_old` is what it said; `decoupled` computes `logp_old` anew with the weights that the step begins with, and keeps what the sampler said as `logp_behavior`; `auto` is `decoupled` with `server.url`, else `bypass`.
        mode: CorrectionMode = CorrectionMode::Auto, "ours; verl's `bypass_mode` has both";
        /// Importance weights `π_old/π_behavior` that multiply the tokens' terms.
        rollout_is: Importance = Importance::None, "verl `rollout_is`";
        /// Their cap (`2.0`), or a band outside of which they are 0 (`"0.5_5.0"`, IcePop).
        rollout_is_threshold: Option<Value> = None, "verl `rollout_is_threshold`: 2.0";
        /// Whether they are divided by their mean over the step.
        rollout_is_batch_normalize: bool = false, "verl `rollout_is_batch_normalize`";
        /// By what tokens or sequences are rejected: `none`, or some of `token_k1`, `token_k2`, `token_k3`, `seq_sum_k1`, `seq_sum_k2`, `seq_sum_k3`, `seq_mean_k1`, `seq_mean_k2`, `seq_mean_k3`, `seq_max_k2`, `seq_max_k3`, separated by commas.
        rollout_rs: String = "none".to_string(), "verl `rollout_rs`";
        /// The bound of each, separated by commas: `2.0` (for a ratio, k1, that is `0.5_2.0`) or `"0.5_2.0"`.
        rollout_rs_threshold: Option<Value> = None, "verl `rollout_rs_threshold`: 0.5_2.0";
    }
}

stage! {
    /// Completions of another server that speaks OpenAI's `/v1/completions` (vLLM, SGLang, llama.cpp, `surefoot serve`).
    Server in "server" {
        /// Where it listens, as `http://127.0.0.1:8000`; empty: the trainer samples itself.
        url: String = String::new(), "ours";
        /// The model's name in requests; empty: the first that `/v1/models` lists.
        model: String = String::new(), "ours";
        /// Environment variable with the key that is sent as `Authorization: Bearer`; empty sends none.
        api_key_env: String = String::new(), "ours";
        /// How prompts are sent: as `tokens`, or as `text` to a server that takes no tokens (llama-cpp-python).
        prompt: ServerPrompt = ServerPrompt::Tokens, "ours: exact";
        /// Most requests at a time; a request is one completion.
        concurrency: usize = 64, "ours", 1 or more;
        /// Seconds after which a request counts as failed.
        timeout_seconds: f64 = 600.0, "ours";
        /// How often a request that failed is repeated (no connection, timeout, broken answer, HTTP 408, 429 or 5xx) before the run stops.
        retries: usize = 5, "ours";
        /// Seconds before the first repetition; each further one waits twice as long, at most 30 s.
        backoff_seconds: f64 = 1.0, "ours";
        /// How the server gets new weights: `none`; `surefoot`, `vllm` (started with `VLLM_SERVER_DEV_MODE=1`) or `sglang`; `custom` with the keys below.
        reload: Reload = Reload::None, "ours";
        /// Steps between new weights.
        reload_every: u64 = 1, "ours: on policy", 1 or more;
        /// Folder for them, which the server must see under the same path; empty: `served/` in the run folder. Each version is a Hugging Face folder of its own, with weights in `checkpoint.dtype`.
        weights_dir: String = String::new(), "ours";
        /// HTTP method of a `custom` reload.
        reload_method: String = "POST".to_string(), "ours";
        /// Path of a `custom` reload, as `/reload`.
        reload_path: String = String::new(), "ours";
        /// JSON body of a `custom` reload; `{path}` becomes the folder of the new weights.
        reload_body: String = "{\"path\": \"{path}\"}".to_string(), "ours";
    }
}

impl Config {
    /// Whether `logp_old` is computed anew at the beginning of a step.
    pub fn decoupled(&self) -> bool {
        match self.correction.mode {
            CorrectionMode::Bypass => false,
            CorrectionMode::Decoupled => true,
            CorrectionMode::Auto => self.remote(),
        }
    }

    /// Whether sampling leaves tokens out, so that samples come from another distribution than the policy's.
    pub fn truncates(&self) -> bool {
        let rollout = &self.rollout;
        rollout.top_p < 1.0 || rollout.top_k > 0 || rollout.min_p > 0.0
    }

    /// Whether `logp_old` is what the policy says at the beginning of a step's updates.
    pub fn begins_on_policy(&self) -> bool {
        self.decoupled() || (self.rollout.staleness == 0 && !self.remote())
    }

    /// Whether another server samples.
    pub fn remote(&self) -> bool {
        !self.server.url.is_empty()
    }

    /// Whether the policy that samples may be another than that of the update, so that the difference is measured.
    pub fn corrects(&self) -> bool {
        self.decoupled() || self.correction_key().is_some()
    }

    /// The setting that asks for weights or rejections, if one does.
    pub(crate) fn correction_key(&self) -> Option<&'static str> {
        match (self.correction.rollout_is, self.correction.rollout_rs.as_str()) {
            (Importance::None, "none") => None,
            (Importance::None, _) => Some("correction.rollout_rs"),
            _ => Some("correction.rollout_is"),
        }
    }

    /// The correction of `[correction]`.
    ///
    /// # Errors
    /// [`OptionError`] for a criterion or a bound that there is not; a configuration that was loaded was checked for it.
    pub fn build_correction(&self) -> Result<Weights, OptionError> {
        self.try_correction().map_err(|(_, error)| error)
    }

    /// As [`Config::build_correction`]; an error comes with the key that it is about.
    pub(super) fn try_correction(&self) -> Result<Weights, (&'static str, OptionError)> {
        let section = &self.correction;
        let normalize = section.rollout_is_batch_normalize.then(|| "true".to_string());
        let mut weights = Weights::default();
        for (key, name, value) in [
            ("correction.rollout_is", "rollout_is", Some(section.rollout_is.name().to_string())),
            (
                "correction.rollout_is_threshold",
                "rollout_is_threshold",
                section.rollout_is_threshold.as_ref().map(Value::to_string),
            ),
            ("correction.rollout_is_batch_normalize", "rollout_is_batch_normalize", normalize),
            ("correction.rollout_rs", "rollout_rs", Some(section.rollout_rs.clone())),
            (
                "correction.rollout_rs_threshold",
                "rollout_rs_threshold",
                section.rollout_rs_threshold.as_ref().map(Value::to_string),
            ),
        ] {
            if let Some(value) = value {
                weights.set(name, value.as_str()).map_err(|error| (key, error))?;
            }
        }
        Ok(weights)
    }
}
