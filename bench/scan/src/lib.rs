//! How fast a JSON document is looked through with all built-in classes of all countries, and with all tiers of text that
//! reads like instructions.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use interdict_content::engine::{CLASSES, Engine};
use interdict_content::finding::SessionKey;
use interdict_content::injection::Injection;
use interdict_content::profile::{Action, InjectionAction, InjectionRules, Profile};
use interdict_mcp::json::{Document, Limits, Numbers, Value};
use serde::{Deserialize, Serialize};

/// Measurements of each part; their median is what counts.
const SAMPLES: usize = 7;

/// The speed of one part, in millions of bytes per second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Speed {
    /// `parse`, `engine`, `injection`, or `all`: the three together, as for a response.
    pub part: String,
    /// Each measurement.
    pub mb_per_s: Vec<f64>,
}

/// Everything that looks.
struct Eyes {
    engine: Engine,
    injection: Injection,
    key: SessionKey,
}

/// Looks through `json` again and again, for `time` in each measurement.
///
/// # Errors
///
/// When the document cannot be read, or is not clean: what is found costs more.
pub fn measure(json: &[u8], time: Duration) -> Result<Vec<Speed>, String> {
    let eyes = Eyes::new()?;
    eyes.see_nothing(read(json)?.root())?;
    measure_with(&eyes, json, time)
}

/// The same for any document: what text costs that was made to be slow.
///
/// # Errors
///
/// When the document cannot be read.
pub fn measure_any(json: &[u8], time: Duration) -> Result<Vec<Speed>, String> {
    measure_with(&Eyes::new()?, json, time)
}

fn measure_with(eyes: &Eyes, json: &[u8], time: Duration) -> Result<Vec<Speed>, String> {
    let document = read(json)?;
    let root = document.root();
    let engine = || drop(black_box(eyes.engine.scan(black_box(root), &eyes.key)));
    let injection = || drop(black_box(eyes.injection.inspect(black_box(root))));
    let parse = || drop(black_box(read(black_box(json))));
    let all = || {
        if let Ok(document) = read(black_box(json)) {
            drop(black_box(eyes.engine.scan(document.root(), &eyes.key)));
            drop(black_box(eyes.injection.inspect(document.root())));
        }
    };
    let parts: [(&str, &dyn Fn()); 4] =
        [("parse", &parse), ("engine", &engine), ("injection", &injection), ("all", &all)];
    let speed = |(part, work): (&str, &dyn Fn())| {
        // Not measured: caches of the automata fill, and a WebAssembly host compiles what is used often.
        rate(json.len(), time * 2, work);
        let mb_per_s = (0..SAMPLES).map(|_| rate(json.len(), time, work)).collect();
        Speed { part: part.to_owned(), mb_per_s }
    };
    Ok(parts.into_iter().map(speed).collect())
}

fn rate(bytes: usize, time: Duration, work: &dyn Fn()) -> f64 {
    let (start, mut done) = (Instant::now(), 0_u32);
    loop {
        work();
        done += 1;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return bytes as f64 * f64::from(done) / elapsed.as_secs_f64() / 1e6;
        }
    }
}

fn read(json: &[u8]) -> Result<Document<'_>, String> {
    let limits =
        Limits { max_bytes: 1 << 26, max_tokens: 1 << 22, numbers: Numbers::Exact, ..Limits::default() };
    Document::parse(json, &limits).map_err(|error| error.to_string())
}

impl Eyes {
    /// An error that says what was found, and never the value.
    fn see_nothing(&self, root: Value<'_>) -> Result<(), String> {
        let (scan, marks) = (self.engine.scan(root, &self.key), self.injection.inspect(root));
        let classes = scan.findings.iter().map(|found| found.class.to_string());
        let found: BTreeSet<String> = classes.chain(marks.iter().map(|mark| mark.kind.to_owned())).collect();
        if found.is_empty() && !scan.incomplete {
            return Ok(());
        }
        Err(format!("the document is not clean: {found:?}, incomplete {}", scan.incomplete))
    }

    fn new() -> Result<Self, String> {
        let regions: BTreeSet<String> =
            CLASSES.iter().map(|class| class.country.to_owned()).filter(|name| !name.is_empty()).collect();
        let profile = Profile {
            v: Profile::VERSION,
            classes: CLASSES.iter().map(|class| (class.name.to_owned(), Action::Redact)).collect(),
            regions: regions.into_iter().collect(),
            patterns: Vec::new(),
            exact: Vec::new(),
            injection: None,
        };
        let quarantine = InjectionAction::Quarantine;
        let rules =
            InjectionRules { structural: quarantine, contextual: quarantine, lexical: InjectionAction::Note };
        Ok(Self {
            engine: Engine::new(&profile).map_err(|error| error.to_string())?,
            injection: Injection::new(&rules, &BTreeSet::new()),
            key: SessionKey::new([7; 32]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_speed() {
        let speeds = measure(br#"{"rows":[{"name":"Widget"}]}"#, Duration::from_millis(1)).unwrap();
        assert_eq!(speeds.len(), 4);
        assert!(speeds.iter().all(|speed| speed.mb_per_s.iter().all(|rate| *rate > 0.0)), "{speeds:?}");
    }

    #[test]
    fn a_document_that_is_not_clean_is_not_measured() {
        let dirty = br#"{"card":"4111 1111 1111 1111"}"#;
        assert!(measure(dirty, Duration::from_millis(1)).is_err());
        assert!(measure(b"{", Duration::from_millis(1)).is_err());
    }
}
