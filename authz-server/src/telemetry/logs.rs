//! The structured log: one event per line on standard error, as JSON or as text. Standard output belongs to commands.
//!
//! Events never hold a body, a token or the value of an argument; whoever writes an event answers for that.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, filter::Targets};

pub use super::queue::LogGuard;
use super::queue::Queue;
use crate::config::{LogConfig, LogFormat, LogLevel};

/// Makes the log of this process. A second call changes nothing. Events do not wait for whoever reads standard error;
/// what still waits is written out when the guard is dropped, so keep it to the end.
pub fn install(config: LogConfig) -> LogGuard {
    let installed = match Queue::start(std::io::stderr()) {
        Ok((queue, guard)) => {
            tracing::subscriber::set_global_default(subscriber(config, queue)).map(|()| guard)
        }
        // No thread to be had: a log that blocks is better than none.
        Err(_) => tracing::subscriber::set_global_default(subscriber(config, std::io::stderr))
            .map(|()| LogGuard::none()),
    };
    installed.unwrap_or_else(|_| LogGuard::none())
}

/// A subscriber that writes to `writer`.
pub fn subscriber<W>(config: LogConfig, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let layer = match config.format {
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => layer.boxed(),
    };
    Registry::default().with(layer.with_filter(filter(config.level)))
}

/// Libraries speak from `warn` on, whatever the level: at `debug` and below some of them print headers and frames, and
/// with them tokens and bodies.
fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(own.min(LevelFilter::WARN)).with_targets([
        ("authz_server", own),
        ("interdict", own),
        ("interdict_policy", own),
        ("interdict_mcp", own),
    ])
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(config: LogConfig, write: impl FnOnce()) -> String {
        let page = Page::default();
        let copy = page.clone();
        tracing::subscriber::with_default(subscriber(config, move || copy.clone()), write);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_event_is_one_object_with_its_fields_at_the_top() {
        let text = logged(LogConfig::default(), || {
            tracing::info!(target: "authz_server", decision_id = "d1", verdict = "allow", "decision");
        });
        let event: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(event["decision_id"], "d1");
        assert_eq!(event["message"], "decision");
        assert_eq!(event["level"], "INFO");
    }

    #[test]
    fn libraries_stay_quiet_below_warn_even_at_trace() {
        let config = LogConfig { format: LogFormat::Json, level: LogLevel::Trace };
        let text = logged(config, || {
            tracing::debug!(target: "h2::codec", "frame with a token");
            tracing::trace!(target: "authz_server::server", "ours");
            tracing::warn!(target: "hyper", "theirs");
        });
        assert!(!text.contains("frame with a token"));
        assert!(text.contains("ours") && text.contains("theirs"));
    }
}
