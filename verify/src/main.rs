//! `interdict-verify`: the auditor's program. It reads an evidence package and says whether what it shows is what was
//! recorded. It opens no socket, and nothing in its dependency tree could (a test looks).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use interdict_audit::verify::{Report, TrustSource, Verdict, verify};

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
                println!("{error}");
            }
            eprintln!("interdict-verify: {}: {}", unusable.code, printable(&unusable.to_string()));
            return ExitCode::from(2);
        }
    };
    if arguments.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("interdict-verify: {error}");
                return ExitCode::from(2);
            }
        }
    } else {
        print_report(&report);
    }
    match report.verdict {
        Verdict::Whole => ExitCode::SUCCESS,
        Verdict::Tampered => ExitCode::from(1),
    }
}

fn print_report(report: &Report) {
    let part = if report.complete { "the whole log" } else { "a part of the log" };
    println!("log          {} (tenant {})", printable(&report.origin), printable(&report.tenant));
    println!("records      {}, {part} of {} entries", report.records, report.size);
    let kinds: Vec<_> = report.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    println!("             {}", kinds.join(", "));
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        println!("time         {first} to {last}");
    }
    println!("root         {}", report.root.as_deref().unwrap_or("-"));
    println!(
        "checkpoints  {} recomputed, {} kept elsewhere confirmed, {} witnesses",
        report.checkpoints, report.trusted_checkpoints, report.witnesses
    );
    println!("bundles      {} recomputed", report.bundles);
    let trust = match report.trust {
        TrustSource::Auditor => "your file",
        TrustSource::Package => {
            "the package's own trust.json: shows that it agrees with itself, not who made it"
        }
    };
    println!("trust        {trust}");
    for finding in &report.findings {
        let place = finding.seq.map(|seq| format!(" record {seq}:")).unwrap_or_default();
        println!("FOUND        {}:{place} {}", finding.code, printable(&finding.message));
    }
    let more = report.finding_count.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        println!("             and {more} more");
    }
    println!(
        "verdict      {}",
        match report.verdict {
            Verdict::Whole => "WHOLE",
            Verdict::Tampered => "TAMPERED",
        }
    );
}

/// A package is somebody else's text: nothing in it moves the cursor or forges a line of ours.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
