//! Processes that the run starts, and ends by their pid whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Context, Failure, Result};

/// A process that was asked to end and has not after this time is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running child. Dropping it kills the process and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: File,
    log_path: PathBuf,
}

impl Process {
    /// Starts `command`; what it writes to standard error goes to `<folder>/<name>.log`.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let log_path = folder.join(format!("{name}.log"));
        // Appending, so that the log can be emptied under the running process.
        let log = OpenOptions::new().create(true).append(true).open(&log_path);
        let log = log.context(format!("create the log of {name}"))?;
        let stderr = log.try_clone().context(format!("share the log of {name}"))?;
        let child = command.stdin(Stdio::piped()).stderr(stderr).spawn();
        let child = child.context(format!("start {name} ({})", command.get_program().to_string_lossy()))?;
        Ok(Self { name: name.to_owned(), child, log, log_path })
    }

    /// Starts this program again in another role and reads the address that it announces.
    pub(crate) fn start_role(role: &str, folder: &Path) -> Result<(Self, SocketAddr)> {
        let mut command = Command::new(std::env::current_exe().context("find this program")?);
        command.arg(role).stdout(Stdio::piped());
        let mut process = Self::start(role, command, folder)?;
        let mut line = String::new();
        let output = process.child.stdout.take().context(format!("{role} has no output"))?;
        BufReader::new(output).read_line(&mut line).context(format!("read the address of {role}"))?;
        let address =
            line.trim().parse().context(format!("{role} announced {line:?} instead of an address"))?;
        Ok((process, address))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error when the process has already ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait().context(format!("look after {}", self.name))? {
            None => Ok(()),
            Some(status) => Err(Failure::new(format!("{} ended ({status}){}", self.name, self.last_words()))),
        }
    }

    /// Asks the process to end and waits until it has.
    pub(crate) async fn terminate(&mut self) -> Result<()> {
        let asked = Command::new("kill").arg(self.pid().to_string()).status();
        asked.context(format!("end {}", self.name))?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().context(format!("look after {}", self.name))?.is_none() {
            if Instant::now() > deadline {
                return Err(Failure::new(format!("{} does not end{}", self.name, self.last_words())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Empties the log: it is written like a real one and does not fill the disk.
    pub(crate) fn empty_log(&self) -> Result<()> {
        self.log.set_len(0).context(format!("empty the log of {}", self.name))
    }

    /// The end of the log, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read(&self.log_path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let mut words = String::new();
        for line in lines.iter().rev() {
            let line: String = line.chars().take(600).collect();
            words.push_str(&format!("\n    {}: {line}", self.name));
        }
        words
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a process that cannot be killed, and the first error must stay the one that is shown.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says to the parent where a role listens, and ends the process when the parent goes away (standard input closes).
pub(crate) fn announce(address: SocketAddr) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{address}").and_then(|()| output.flush()).context("announce the address")?;
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
    Ok(())
}

/// `count` different ports of 127.0.0.1 that were free a moment ago, for programs that cannot announce their own.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let held: std::io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let held = held.context("find free ports")?;
    let ports: std::io::Result<Vec<u16>> = held.iter().map(|l| Ok(l.local_addr()?.port())).collect();
    ports.context("find free ports")
}

/// CPU time from the kernel's account of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuClock {
    ticks_per_second: u64,
}

impl CpuClock {
    pub(crate) fn new() -> Result<Self> {
        let output = Command::new("getconf").arg("CLK_TCK").output().context("run getconf CLK_TCK")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let ticks_per_second = text.trim().parse().context("read CLK_TCK")?;
        Ok(Self { ticks_per_second })
    }

    /// User plus system time of a process so far, all threads (proc(5), /proc/PID/stat fields 14 and 15).
    pub(crate) fn of(&self, pid: u32) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .context(format!("CPU time of process {pid}"))?;
        // The command name in field 2 may hold spaces and brackets: count from its closing one.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
        let ticks = field(11).zip(field(12)).map(|(user, system)| user + system);
        Ok(self.duration(ticks.context(format!("/proc/{pid}/stat cannot be read"))?))
    }

    /// Time that all processors together were busy, and the time in all (proc(5), /proc/stat). Waiting for a disk is idle.
    pub(crate) fn machine(&self) -> Result<(Duration, Duration)> {
        let stat = std::fs::read_to_string("/proc/stat").context("CPU time of the machine")?;
        let line = stat.lines().next().unwrap_or_default();
        // Guest time is already inside user time: take the first eight columns.
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).take(8).filter_map(|text| text.parse().ok()).collect();
        let idle = ticks.get(3).zip(ticks.get(4)).map(|(idle, wait)| idle + wait);
        let total: u64 = ticks.iter().sum();
        let idle = idle.context("/proc/stat cannot be read")?;
        Ok((self.duration(total - idle), self.duration(total)))
    }

    fn duration(&self, ticks: u64) -> Duration {
        Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / self.ticks_per_second.max(1)))
    }
}
