//! The machine's memory, where the system says how much there is (Linux).

/// Bytes of memory and of swap space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostMemory {
    /// What programs can have without swapping.
    pub available: usize,
    total: usize,
    swap_free: usize,
    swap_total: usize,
}

impl HostMemory {
    /// As it is now.
    pub fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }

    fn read(meminfo: &str) -> Option<Self> {
        let bytes = |key: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
        };
        Some(Self {
            available: bytes("MemAvailable")?,
            total: bytes("MemTotal")?,
            swap_free: bytes("SwapFree").unwrap_or(0),
            swap_total: bytes("SwapTotal").unwrap_or(0),
        })
    }

    /// Bytes that programs can have and all bytes, swap space included.
    pub fn with_swap(self) -> (usize, usize) {
        (self.available + self.swap_free, self.total + self.swap_total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:        8000 kB\nMemFree:         100 kB\nMemAvailable:    5000 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\n";

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(HostMemory::read(MEMINFO).map(HostMemory::with_swap), Some((5020 << 10, 8050 << 10)));
        assert_eq!(HostMemory::read("MemTotal: 8000 kB\n"), None);
    }
}
