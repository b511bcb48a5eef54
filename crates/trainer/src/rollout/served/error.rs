//! What can go wrong with a server that samples.
use crate::prompt::PromptError;
use crate::run_folder::RunFolderError;
use surefoot_engine::folder::FolderError;

/// Why a server's samples could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It failed too often in a row.
    #[error(
        "{url}: {}: {last}. See that the server runs and is reached there, then give the command again, with --resume once the run has begun (server.retries, server.timeout_seconds and server.concurrency say how patient the trainer is)",
        if *tries == 1 { "no answer".to_string() } else { format!("{tries} times in a row no answer, lastly") }
    )]
    GaveUp {
        /// The address.
        url: String,
        /// Requests that failed.
        tries: usize,
        /// What the last one came to.
        last: String,
    },
    /// It refuses a request.
    #[error("{url}: HTTP status {status}: {body}; {hint}")]
    Refused {
        /// The address.
        url: String,
        /// HTTP status.
        status: u16,
        /// What it says.
        body: String,
        /// What to do.
        hint: &'static str,
    },
    /// It answers with something else than it should.
    #[error("{url}: expected {expected}, found {got}; {hint}")]
    Unexpected {
        /// The address.
        url: String,
        /// What should have come.
        expected: String,
        /// What came.
        got: String,
        /// What to do.
        hint: String,
    },
    /// The key is not there.
    #[error("the environment variable {name} (server.api_key_env) is not set; set it to the server's key")]
    Key {
        /// Its name.
        name: String,
    },
    /// A request could not be started.
    #[error("cannot start a thread for a request: {0}; lower server.concurrency")]
    Thread(std::io::Error),
    /// The run was stopped.
    #[error("the run was stopped while it waited for {url}")]
    Stopped {
        /// The address.
        url: String,
    },
    /// A prompt, or tokens that have no text.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// New weights could not be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// New weights could not be given their name.
    #[error(transparent)]
    Run(#[from] RunFolderError),
}

#[cfg(test)]
mod tests {
    use super::ServerError;

    #[test]
    fn one_try_is_no_row() {
        let gave_up = |tries| ServerError::GaveUp { url: "http://a".into(), tries, last: "gone".into() }.to_string();
        assert!(gave_up(1).starts_with("http://a: no answer: gone. See"), "{}", gave_up(1));
        assert!(gave_up(2).starts_with("http://a: 2 times in a row no answer, lastly: gone. See"), "{}", gave_up(2));
    }
}
