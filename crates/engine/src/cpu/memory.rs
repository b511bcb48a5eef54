//! The machine's memory, where the system says how much there is (Linux), or what a container leaves of it.
use std::path::{Path, PathBuf};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

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
    /// As it is now, in this process's control groups (a container, a batch job, a service).
    pub fn now() -> Option<Self> {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let host = Self::read(&read("/proc/meminfo".as_ref())?)?;
        Some(limits(&read).into_iter().fold(host, Self::within))
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

    /// What a group of this limit leaves. Whether it may swap as well is another limit; it is taken that it may not.
    fn within(self, Limit { most, used }: Limit) -> Self {
        if most >= self.total {
            return self;
        }
        let available = self.available.min(most.saturating_sub(used));
        Self { available, total: most, swap_free: 0, swap_total: 0 }
    }

    /// Bytes that programs can have and all bytes, swap space included.
    pub fn with_swap(self) -> (usize, usize) {
        (self.available + self.swap_free, self.total + self.swap_total)
    }
}

/// Memory of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    most: usize,
    /// Without what the system would give up first: files that nobody uses.
    used: usize,
}

/// The limits of this process's control group and of all above it, of either version.
fn limits(read: &dyn Fn(&Path) -> Option<String>) -> Vec<Limit> {
    let mut found = Vec::new();
    for line in read("/proc/self/cgroup".as_ref()).unwrap_or_default().lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, most, used, idle) = if controllers.is_empty() {
            (PathBuf::from(GROUPS), "memory.max", "memory.current", "inactive_file")
        } else if controllers.split(',').any(|name| name == "memory") {
            let root = Path::new(GROUPS).join("memory");
            (root, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        } else {
            continue;
        };
        // A container sees its own group as the root, whatever the path says.
        let own = root.join(path.trim_start_matches('/'));
        for folder in own.ancestors().take_while(|folder| folder.starts_with(&root)) {
            let number = |file: &str| read(&folder.join(file))?.trim().parse::<usize>().ok();
            let stat = read(&folder.join("memory.stat")).unwrap_or_default();
            let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.trim().parse::<usize>().ok());
            if let Some(most) = number(most) {
                found.push(Limit { most, used: number(used).unwrap_or(0).saturating_sub(idle.unwrap_or(0)) });
            }
        }
    }
    found
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

    fn limits_of(files: &[(&str, &str)]) -> Vec<Limit> {
        let read =
            |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_string());
        limits(&read)
    }

    #[test]
    fn the_limits_of_a_container_are_found() {
        let second = [
            ("/proc/self/cgroup", "0::/job/step\n"),
            ("/sys/fs/cgroup/job/step/memory.max", "max\n"),
            ("/sys/fs/cgroup/job/memory.max", "3072000\n"),
            ("/sys/fs/cgroup/job/memory.current", "2048000\n"),
            ("/sys/fs/cgroup/job/memory.stat", "anon 5\ninactive_file 1024000\n"),
        ];
        assert_eq!(limits_of(&second), [Limit { most: 3_072_000, used: 1_024_000 }]);
        let own_root = [("/proc/self/cgroup", "0::/elsewhere\n"), ("/sys/fs/cgroup/memory.max", "4096\n")];
        assert_eq!(limits_of(&own_root), [Limit { most: 4096, used: 0 }]);
        let first = [
            ("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a\n"),
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "8192\n"),
            ("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "4096\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let no_limit = Limit { most: 9_223_372_036_854_771_712, used: 0 };
        assert_eq!(limits_of(&first), [Limit { most: 8192, used: 4096 }, no_limit]);
        assert_eq!(limits_of(&[]), []);
    }

    #[test]
    fn a_limit_below_the_machines_memory_counts() {
        let host = HostMemory::read(MEMINFO);
        let left = |most, used| host.map(|host| host.within(Limit { most, used }).with_swap());
        assert_eq!(left(3000 << 10, 1000 << 10), Some((2000 << 10, 3000 << 10)));
        assert_eq!(left(6000 << 10, 0), Some((5000 << 10, 6000 << 10)));
        assert_eq!(left(3000 << 10, 4000 << 10), Some((0, 3000 << 10)));
        assert_eq!(left(1 << 62, 0), Some((5020 << 10, 8050 << 10)));
    }
}
