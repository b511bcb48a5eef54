//! What a device can fail with.

/// Why a device cannot be used, or cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The device that was asked for is not there.
    #[error("{wanted} cannot be used: {reason}; {hint}")]
    Unavailable {
        /// As it was asked for.
        wanted: String,
        /// What was not found, or does not fit.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The device's memory is full.
    #[error(
        "{device} is out of memory: {} more are needed, {} of {} are free; {hint}",
        Bytes(*wanted), Bytes(*free), Bytes(*total)
    )]
    OutOfMemory {
        /// The device.
        device: String,
        /// Bytes that were asked for.
        wanted: usize,
        /// Bytes that were free.
        free: usize,
        /// Bytes of the device.
        total: usize,
        /// What to do.
        hint: String,
    },
    /// An operator failed; nothing after it was computed.
    #[error("{device}: {operation}: {message}")]
    Failed {
        /// The device.
        device: String,
        /// What was being done.
        operation: String,
        /// What the device's library said.
        message: String,
    },
}

/// A number of bytes as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let bytes = self.0 as f64;
        match bytes {
            ..1_048_576.0 => write!(f, "{:.1} KiB", bytes / 1024.0),
            ..1_073_741_824.0 => write!(f, "{:.1} MiB", bytes / 1_048_576.0),
            _ => write!(f, "{:.1} GiB", bytes / 1_073_741_824.0),
        }
    }
}
