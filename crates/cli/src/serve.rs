//! `surefoot serve`

use surefoot_trainer::serve::Server;

use crate::args::Serve;
use crate::exit::Exit;
use crate::output;
use crate::train::{pool, stop_on_signal};

/// Answers requests until Ctrl-C.
pub fn run(args: &Serve) -> anyhow::Result<Exit> {
    let stop = stop_on_signal(Some("stopping"))?;
    let pool = pool(args.threads)?;
    pool.install(|| {
        let device = args.device.wanted.unwrap_or_default();
        let server = Server::open(&args.model, &format!("{}:{}", args.host, args.port), device)?;
        output::note(&server.device());
        let name =
            args.model.file_name().map_or_else(|| "model".to_string(), |name| name.to_string_lossy().into_owned());
        output::data(&format!("http://{}", server.address()?))?;
        output::note(&format!("serving {name}; Ctrl-C ends it"));
        server.run(&name, &stop)?;
        Ok(Exit::Done)
    })
}
