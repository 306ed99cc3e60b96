//! What the machine has: memory, space, processors.

use std::path::Path;

/// MiB of memory in all.
#[must_use]
pub fn memory_mib() -> u64 {
    meminfo("MemTotal:")
}

/// MiB of memory that new guests can have without others being pushed out.
#[must_use]
pub fn memory_available_mib() -> u64 {
    meminfo("MemAvailable:")
}

/// A line of `/proc/meminfo`, proc_meminfo(5), from KiB to MiB; 0 if it is not there.
fn meminfo(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Lets this process open as many files as it may at all, and says how many that is: a guest takes some five, and services begin with a
/// limit of 1024.
#[must_use]
pub fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// MiB that are free for us on the file system that holds `path`; 0 if it can't be asked.
#[must_use]
pub fn disk_free_mib(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |fs| (fs.f_bavail * fs.f_frsize) >> 20)
}

#[must_use]
pub fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_machine_has_some_of_everything() {
        assert!(memory_mib() >= memory_available_mib() && memory_available_mib() > 0);
        assert!(disk_free_mib(Path::new("/")) > 0 && disk_free_mib(Path::new("/no/such/folder")) == 0);
        assert!(cpus() >= 1);
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(raise_file_limit(), limit.maximum.unwrap_or(u64::MAX));
    }
}
