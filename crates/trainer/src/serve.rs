//! `surefoot serve`: a model behind OpenAI's `/v1/completions`, with token ids, log-probabilities and new weights on request.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/models`, `GET /v1/models/NAME` | the one model |
//! | `GET /health` | `{"status": "ok"}` |
//! | `POST /v1/completions` | completions; [`Asked`] lists what is understood, anything else that matters is refused |
//! | `POST /v1/chat/completions` | messages that continue a conversation, for models with a chat template |
//! | `POST /reload` `{"path": DIR}` | loads the weights of a Hugging Face folder of the same structure; requests that came before are answered with the old ones |
//!
//! Requests that wait are decoded together, without those whose client has gone. A completion depends on weights, prompt, seed and sampling
//! rule alone; a request without a seed gets another one each time. The
//! server does no authentication, and whoever reaches its port can make it read any folder: leave it on the local machine.
pub mod api;
mod chat;
mod fields;
mod http;
mod worker;

use crate::model_folder::{self, ModelFolderError};
use crate::policy::{Policy, PolicyError};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvError, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use surefoot_engine::chat::{ChatError, ChatTemplate};
use surefoot_engine::config::{ConfigError, ModelConfig};
use surefoot_engine::device::Wanted;
use surefoot_engine::tokenizer::{Tokenizer, TokenizerError};

use api::{Asked, Limits};
use worker::{Answered, Asker, Job, Worker};

/// Connections at a time; more get HTTP status 503.
const MOST_CONNECTIONS: usize = 1024;
/// Time between two looks at whether to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The path is no model folder.
    #[error(transparent)]
    Model(#[from] ModelFolderError),
    /// The model's structure.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model's weights.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The model's tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model's chat template.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The address.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any that is free")]
    Listen {
        /// As it was asked for.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    worker: Worker,
    template: Option<ChatTemplate>,
}

/// What answers to requests are made with.
struct Shared {
    jobs: Sender<Job>,
    tokenizer: Arc<Tokenizer>,
    template: Option<ChatTemplate>,
    name: String,
    limits: Limits,
    connections: Arc<AtomicUsize>,
}

/// A connection that is counted until this is dropped, however it ends.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(connections.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    /// Loads the model of `folder` on `device` and listens on `address`, as `127.0.0.1:8000`.
    ///
    /// # Errors
    /// [`ServeError`] names the file or the address.
    pub fn open(folder: &Path, address: &str, device: Wanted) -> Result<Self, ServeError> {
        model_folder::expect(folder)?;
        let listener =
            TcpListener::bind(address).map_err(|source| ServeError::Listen { address: address.to_string(), source })?;
        let positions = ModelConfig::from_folder(folder)?.max_position_embeddings;
        let (policy, _) = Policy::for_sampling(folder, positions, "nothing", device)?;
        let tokenizer = Arc::new(Tokenizer::load(folder)?);
        let template = ChatTemplate::load(folder)?;
        Ok(Self { listener, template, worker: Worker::new(policy, tokenizer, positions).map_err(PolicyError::from)? })
    }

    /// The device that samples, in one line.
    pub fn device(&self) -> String {
        self.worker.device()
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub fn address(&self) -> Result<SocketAddr, ServeError> {
        self.listener.local_addr().map_err(|source| ServeError::Listen { address: "a socket".to_string(), source })
    }

    /// Answers requests until `stop` is set. Threads of the sampler are those of the pool that the caller is in.
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub fn run(self, name: &str, stop: &AtomicBool) -> Result<(), ServeError> {
        let (jobs, todo) = channel();
        let shared = Arc::new(Shared {
            jobs,
            tokenizer: self.worker.tokenizer(),
            template: self.template,
            name: name.to_string(),
            limits: Limits { positions: self.worker.positions(), vocabulary: self.worker.vocabulary() },
            connections: Arc::default(),
        });
        let (listener, mut worker) = (self.listener, self.worker);
        let failed = |source| ServeError::Listen { address: "its address".to_string(), source };
        listener.set_nonblocking(true).map_err(failed)?;
        std::thread::scope(|scope| {
            scope.spawn(|| accept(&listener, &shared, stop));
            while !stop.load(Ordering::Relaxed) {
                if let Ok(job) = todo.recv_timeout(PATIENCE) {
                    worker.work(job, &todo, stop);
                }
            }
        });
        Ok(())
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(PATIENCE);
            continue;
        };
        let shared = shared.clone();
        let counted = Counted::of(&shared.connections);
        // A thread that cannot be started closes the connection, and the client tries again.
        let _started = std::thread::Builder::new().name("connection".to_string()).spawn(move || {
            // What a client does not read is its loss.
            let _written = connection(stream, &shared);
            drop(counted);
        });
    }
}

/// Reads one request and answers it.
fn connection(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    let answer = match http::read(&mut stream)? {
        Ok(_) if shared.connections.load(Ordering::Relaxed) > MOST_CONNECTIONS => {
            Err((503, format!("more than {MOST_CONNECTIONS} connections")))
        }
        Ok(request) => answer(&request, shared, &stream),
        Err(refused) => Err(refused),
    };
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err((status, message)) => (status, serde_json::json!({ "error": { "message": message, "code": status } })),
    };
    http::write(&mut stream, status, &body.to_string())
}

/// HTTP status and message of a request that is refused.
pub(crate) type Refused = (u16, String);

fn answer(request: &http::Request, shared: &Shared, client: &TcpStream) -> Result<serde_json::Value, Refused> {
    let waited = |_: RecvError| (503, "the server is stopping".to_string());
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/health") => Ok(serde_json::json!({ "status": "ok" })),
        ("GET", "/v1/models") => Ok(serde_json::json!({ "object": "list", "data": [model(shared)] })),
        ("GET", path) if path.strip_prefix("/v1/models/") == Some(&shared.name) => Ok(model(shared)),
        ("POST", "/v1/completions") => {
            let asked = Asked::read(&request.body, &shared.tokenizer, shared.limits)?;
            let answered = complete(&asked, shared, client)?;
            let answer = asked.answer(&answered.samples, &shared.tokenizer, &shared.name)?;
            Ok(by(answered, answer))
        }
        ("POST", "/v1/chat/completions") => {
            let asked = chat::read(&request.body, shared.template.as_ref(), &shared.tokenizer, shared.limits)?;
            let answered = complete(&asked, shared, client)?;
            let answer = chat::answer(&asked, &answered.samples, &shared.tokenizer, &shared.name)?;
            Ok(by(answered, answer))
        }
        ("POST", "/reload") => {
            let body = api::json(&request.body)?;
            let path = body["path"].as_str().ok_or((400, "`path` must be the folder of a model".to_string()))?;
            let (tell, answer) = channel();
            shared.jobs.send(Job::Reload(PathBuf::from(path), tell)).map_err(|_| (503, "stopping".to_string()))?;
            let weights = answer.recv().map_err(waited)?.map_err(|message| (400, message))?;
            Ok(serde_json::json!({ "success": true, "path": path, "system_fingerprint": weights.as_ref() }))
        }
        (method, path) => {
            let there = "/v1/completions, /v1/chat/completions, /v1/models, /reload and /health";
            Err((404, format!("{method} {path}: there are {there}")))
        }
    }
}

/// What clients are told of the model.
fn model(shared: &Shared) -> serde_json::Value {
    let positions = shared.limits.positions;
    serde_json::json!({ "id": shared.name, "object": "model", "owned_by": "surefoot", "max_model_len": positions })
}

/// Waits for completions, as long as the client does.
fn complete(asked: &Asked, shared: &Shared, client: &TcpStream) -> Result<Answered, Refused> {
    let (tell, answer) = channel();
    let gone = Arc::new(AtomicBool::new(false));
    let asker = Asker { tell, gone: gone.clone() };
    shared.jobs.send(Job::Complete(asked.clone(), asker)).map_err(|_| (503, "stopping".to_string()))?;
    loop {
        match answer.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Timeout) if http::has_gone(client) => gone.store(true, Ordering::Relaxed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err((503, "the server is stopping".to_string())),
            Ok(answered) => return answered.map_err(|error| (500, error.to_string())),
        }
    }
}

/// An answer with the name of the weights behind it.
fn by(answered: Answered, mut answer: serde_json::Value) -> serde_json::Value {
    answer["system_fingerprint"] = answered.weights.as_ref().into();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_whose_thread_panics_or_does_not_start_is_counted_no_more() {
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Counted::of(&connections);
        assert_eq!(connections.load(Ordering::Relaxed), 1);
        let panics = std::thread::spawn(move || {
            let _counted = counted;
            std::panic::resume_unwind(Box::new("as a panic, without its message"));
        });
        assert!(panics.join().is_err());
        drop(Counted::of(&connections));
        assert_eq!(connections.load(Ordering::Relaxed), 0);
    }
}
