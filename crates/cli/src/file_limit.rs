//! A limit on the size of files (`ulimit -f`, quotas of batch systems): the system sends a signal that ends a process, unless it
//! has a handler. Then the write fails, and who writes says so and leaves what was there before.

#[cfg(unix)]
use anyhow::Context;

/// Has writes beyond the limit fail. Programs that are started have the system's own way again.
#[cfg(unix)]
pub fn is_an_error_of_the_write() -> anyhow::Result<()> {
    let nobody_asks = std::sync::Arc::default();
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, nobody_asks).context("cannot watch for SIGXFSZ")?;
    Ok(())
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn is_an_error_of_the_write() -> anyhow::Result<()> {
    Ok(())
}
