//! Memory of an Envoy and of the virtual machines in it, from the kernel's account.

use serde::Serialize;

use crate::error::{Context, Failure, Result};
use crate::target::Target;

/// V8 reserves addresses behind the memory of every WebAssembly instance, far more than anything else does.
const RESERVED: u64 = 4 << 30;

/// What was in use at one moment, in bytes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Memory {
    /// The linear memory of the largest virtual machine: of the worker that has the traffic. It never shrinks.
    pub(super) vm: u64,
    /// What of it is in the machine's memory.
    pub(super) vm_resident: u64,
    /// Virtual machines: one per worker, one of the main thread, one that the configuration was tried with.
    pub(super) vms: usize,
    /// The whole Envoy process, the compiled module included.
    pub(super) envoy_resident: u64,
    /// The authorization server.
    pub(super) server_resident: u64,
}

impl Memory {
    pub(super) fn of(target: &Target) -> Result<Self> {
        let pid = target.envoy_pid();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).context("memory of Envoy")?;
        let vms = machines(&maps);
        let largest = vms.iter().max_by_key(|vm| vm.size);
        let Some(largest) = largest else { return Err(Failure::new("no virtual machine in Envoy")) };
        Ok(Self {
            vm: largest.size,
            vm_resident: largest.resident,
            vms: vms.len(),
            envoy_resident: resident(pid)?,
            server_resident: target.authz_pid().map_or(Ok(0), resident)?,
        })
    }
}

fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("memory of a process")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(kibibytes).context(format!("/proc/{pid}/status cannot be read"))
}

/// `  123 kB` in bytes.
fn kibibytes(text: &str) -> Option<u64> {
    Some(text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine {
    size: u64,
    resident: u64,
}

/// One mapping of smaps (proc(5)).
#[derive(Debug, Clone, Copy, Default)]
struct Mapping {
    start: u64,
    end: u64,
    writable: bool,
    reserved: bool,
    resident: u64,
}

/// What is writable and directly before a reservation.
fn machines(smaps: &str) -> Vec<Machine> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        if let Some(mapping) = mapping(line) {
            mappings.push(mapping);
        } else if let (Some(last), Some(size)) = (mappings.last_mut(), line.strip_prefix("Rss:")) {
            last.resident = kibibytes(size).unwrap_or_default();
        }
    }
    let pairs = mappings.iter().zip(mappings.iter().skip(1));
    let those = pairs.filter(|(own, next)| {
        own.writable && next.reserved && own.end == next.start && next.end - next.start >= RESERVED
    });
    those.map(|(own, _)| Machine { size: own.end - own.start, resident: own.resident }).collect()
}

/// `7f00-7f80 rw-p 00000000 00:00 0`
fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let rights = fields.next()?;
    Some(Mapping {
        start: number(start)?,
        end: number(end)?,
        writable: rights == "rw-p",
        reserved: rights == "---p",
        resident: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_machine_is_what_lies_before_a_reservation() {
        let smaps = "10000-20000 rw-p 00000000 00:00 0 [heap]\nSize: 64 kB\nRss: 60 kB\n\
            7fbce0000000-7fbce0800000 rw-p 00000000 00:00 0\nSize: 8192 kB\nRss: 4096 kB\nVmFlags: rd wr\n\
            7fbce0800000-7fbee0800000 ---p 00000000 00:00 0\nSize: 1 kB\nRss: 0 kB\n\
            7fc000000000-7fc000010000 rw-p 00000000 00:00 0\nRss: 64 kB\n\
            7fc000010000-7fc004000000 ---p 00000000 00:00 0\nRss: 0 kB\n";
        assert_eq!(machines(smaps), [Machine { size: 8 << 20, resident: 4 << 20 }]);
    }
}
