//! `interdict-verify`: the auditor's program. It reads an evidence package and says whether what it shows is what was
//! recorded. It opens no socket, and nothing in its dependency tree could (a test looks).

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use interdict_audit::verify::{Finding, Report, TrustSource, Verdict, verify};

const HELP: &str = "\
Examples:
  interdict-verify evidence/
  interdict-verify evidence/ --trust my-trust.json --complete
  interdict-verify evidence/ --json

A trust file names whose signatures count and which checkpoints you kept:
  {\"v\": 1, \"log_keys\": [\"interdict-…+1a2b3c4d+…\"], \"witnesses\": [], \"quorum\": 0,
   \"checkpoints\": [{\"note\": \"…\"}]}
Without --trust, trust.json of the package is used: then a good result only says that the package agrees with itself.

Exit codes: 0 whole, 1 tampered, 2 unusable input.";

/// The code of a tree that is not the one that was signed.
const ROOT: &str = "verify.root";

/// Checks an evidence package, offline.
#[derive(Debug, Parser)]
#[command(name = "interdict-verify", version, after_help = HELP, arg_required_else_help = true)]
struct Arguments {
    /// The folder that `interdict audit export` wrote.
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// Your own trust file, in place of the package's.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Demand the whole log, from its first record to the signed checkpoint, not a part of it.
    #[arg(long)]
    complete: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let report = match verify(&arguments.package, arguments.trust.as_deref(), arguments.complete) {
        Ok(report) => report,
        Err(unusable) => {
            if arguments.json {
                let error = serde_json::json!({
                    "verdict": "unusable", "code": unusable.code, "message": unusable.to_string(),
                });
                let _ = say(&format!("{error}\n"));
            }
            complain(format_args!("{}: {}", unusable.code, printable(&unusable.to_string())));
            return ExitCode::from(2);
        }
    };
    if let Err(error) = told(&report, arguments.json).and_then(|text| say(&text)) {
        complain(format_args!("{error}"));
        return ExitCode::from(2);
    }
    match report.verdict {
        Verdict::Whole => ExitCode::SUCCESS,
        Verdict::Tampered => ExitCode::from(1),
    }
}

fn told(report: &Report, as_json: bool) -> io::Result<String> {
    if as_json {
        return Ok(serde_json::to_string_pretty(report)? + "\n");
    }
    let mut text = String::new();
    write_report(report, &mut text).map_err(io::Error::other)?;
    Ok(text)
}

/// Writes to standard output. A reader that went away changes nothing about what was found.
fn say(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Writes to standard error. When that cannot be written there is nobody left to tell.
fn complain(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "interdict-verify: {text}");
}

fn write_report(report: &Report, out: &mut String) -> fmt::Result {
    let part = if report.complete { "the whole log" } else { "a part of the log" };
    writeln!(out, "log          {} (tenant {})", printable(&report.origin), printable(&report.tenant))?;
    writeln!(out, "records      {}, {part} of {} entries", report.records, report.size)?;
    let kinds: Vec<_> = report.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    writeln!(out, "             {}", kinds.join(", "))?;
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        writeln!(out, "time         {first} to {last}")?;
    }
    writeln!(out, "root         {}", report.root.as_deref().unwrap_or("-"))?;
    writeln!(
        out,
        "checkpoints  {} recomputed, {} kept elsewhere confirmed, {} witnesses",
        report.checkpoints, report.trusted_checkpoints, report.witnesses
    )?;
    writeln!(out, "bundles      {} recomputed", report.bundles)?;
    let trust = match report.trust {
        TrustSource::Auditor => "your file",
        TrustSource::Package => {
            "the package's own trust.json: shows that it agrees with itself, not who made it"
        }
    };
    writeln!(out, "trust        {trust}")?;
    for finding in distinct(&report.findings) {
        let place = finding.seq.map(|seq| format!(" record {seq}:")).unwrap_or_default();
        writeln!(out, "FOUND        {}:{place} {}", finding.code, printable(&finding.message))?;
    }
    let roots = report.findings.iter().filter(|finding| finding.code == ROOT).count();
    if roots > 1 {
        writeln!(
            out,
            "             and {} later checkpoints with another root, for the same reason",
            roots - 1
        )?;
    }
    let more = report.finding_count.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        writeln!(out, "             and {more} more")?;
    }
    writeln!(
        out,
        "verdict      {}",
        match report.verdict {
            Verdict::Whole => "WHOLE",
            Verdict::Tampered => "TAMPERED",
        }
    )
}

/// Findings without what follows from one of them: where a root is wrong, so is that of every larger tree.
fn distinct(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    let mut roots = 0;
    findings.iter().filter(move |finding| {
        roots += usize::from(finding.code == ROOT);
        finding.code != ROOT || roots == 1
    })
}

/// A package is somebody else's text: nothing in it moves the cursor or forges a line of ours.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
