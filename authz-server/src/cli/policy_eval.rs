//! `interdict policy eval`: input documents in, what the sets say out.

use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use interdict_policy::{Bundle, EvalLimits, Evaluator, Inspection, SetResult};
use serde_json::value::RawValue;

use super::{Failure, plain, policy};

pub(super) const HELP: &str = "\
Examples:
  interdict policy eval policies my-policies --input input.json
  interdict policy eval policies my-policies --input many.jsonl --format json

The file holds input documents as docs/policy-input.md describes them, one after the other. With `--format json` each
gives one line: {\"sets\": {topic: {set: {\"elements\": [..]} or {\"error\": {..}}}}, \"decision\": {..}}, or {\"unreadable\": why}
for a document that cannot be judged at all. What it prints may quote the documents.

Exit codes: 0 printed, whatever was said; 1 failed; 2 usage error or a bundle that does not load.";

#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// Root folders of the bundle, merged as the server merges them.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Take the root folders from this configuration file.
    #[arg(long, short, env = "INTERDICT_CONFIG", value_name = "FILE", conflicts_with = "paths")]
    config: Option<PathBuf>,
    /// Input documents; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// How to print the results.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Which engine evaluates.
    #[arg(long, value_enum, default_value_t = Engine::Deciding)]
    engine: Engine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// As the server decides: the bytecode machine where it may, else the interpreter.
    Deciding,
    /// The interpreter alone, without shortcuts.
    Interpreter,
}

pub(super) fn run(args: &EvalArgs) -> Result<u8, Failure> {
    let roots = policy::roots(&args.paths, args.config.as_deref())?;
    let bundle = Bundle::load(&roots).map_err(|error| Failure::usage(error.to_string()))?;
    let limits = EvalLimits { time: std::time::Duration::from_secs(10), ..EvalLimits::default() };
    let mut evaluator = match args.engine {
        Engine::Deciding => bundle.evaluator(limits),
        Engine::Interpreter => bundle.evaluator(limits).interpreted().without_guards(),
    };
    let text = read(&args.input)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut count = 0_usize;
    for document in serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>() {
        let document =
            document.map_err(|error| Failure::usage(format!("{}: {error}", args.input.display())))?;
        count += 1;
        let lines = show(&mut evaluator, document.get(), args.format)?;
        out.write_all(lines.as_bytes()).map_err(|error| Failure::failed(error.to_string()))?;
    }
    out.flush().map_err(|error| Failure::failed(error.to_string()))?;
    match count {
        0 => Err(Failure::usage(format!("{}: no input document in it", args.input.display()))),
        _ => Ok(0),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let result = match file == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(file).map(|content| text = content),
    };
    result.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    Ok(text)
}

fn show(evaluator: &mut Evaluator, document: &str, format: Format) -> Result<String, Failure> {
    let inspection = evaluator.inspect(document);
    match (inspection, format) {
        (Ok(inspection), Format::Text) => Ok(text(&inspection)),
        (Ok(inspection), Format::Json) => serde_json::to_string(&inspection)
            .map(|line| plain::json(&line) + "\n")
            .map_err(|error| Failure::failed(error.to_string())),
        (Err(why), Format::Text) => Ok(format!("unreadable: {}\n", plain::line(&why))),
        (Err(why), Format::Json) => {
            Ok(plain::json(&serde_json::json!({ "unreadable": why }).to_string()) + "\n")
        }
    }
}

/// The decision, and below it every set that is not empty.
fn text(inspection: &Inspection) -> String {
    let mut lines = format!("{}\n", inspection.decision.verdict);
    for (topic, sets) in &inspection.sets {
        for (set, result) in sets {
            match result {
                SetResult::Elements(elements) if elements.as_array().is_some_and(Vec::is_empty) => {}
                SetResult::Elements(elements) => {
                    for element in elements.as_array().into_iter().flatten() {
                        lines += &format!("  {topic}.{set}: {}\n", plain::line(&element.to_string()));
                    }
                }
                SetResult::Error { code, engine } => {
                    let engine = engine.as_deref().unwrap_or_default();
                    lines += &format!("  {topic}.{set}: {code}\n{}\n", plain::text(engine));
                }
            }
        }
    }
    lines
}
