//! One plugin configuration: reads it, makes streams, and lets time pass for those that wait.

use super::host::{EnvoyHost, Shared, Upstream};
use super::http::{Http, received};
use super::sys::{self, buffer};
use crate::config::{Config, Mode};
use crate::drive::drive;
use crate::event::Event;
use crate::inspect::{SharedProfiles, no_profiles};
use crate::report::Reporter;
use crate::stream::Stream;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How often waiting streams are looked at and outcomes are reported. A missing header-hold flag is answered within this
/// time.
const TICK_MILLISECONDS: u32 = 200;

/// Streams by context id; each removes itself when it is deleted.
pub(super) type Streams = Rc<RefCell<BTreeMap<u32, Rc<RefCell<Stream>>>>>;

/// What all streams of a configuration share.
#[derive(Clone)]
struct Plugin {
    config: Rc<Config>,
    shared: Rc<Shared>,
    profiles: SharedProfiles,
}

pub(super) struct Root {
    id: u32,
    plugin: Option<Plugin>,
    streams: Streams,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, plugin: None, streams: Streams::default() }
    }
}

impl Context for Root {
    /// The end of a Report call.
    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        let Some(Plugin { shared, .. }) = &self.plugin else { return };
        // Here and not on the tick, because Envoy makes a new timer, and would destroy the one that is just running.
        shared.calm_down(TICK_MILLISECONDS);
        // Taking none of the outcomes is said by an empty message.
        let message = match size {
            _ if status != 0 => None,
            0 => Some(Vec::new()),
            _ => sys::buffer(buffer::GRPC_ANSWER, size).ok(),
        };
        shared.reporter(|reporter, line| {
            let before = reporter.failures();
            reporter.answered(token, status, message.as_deref(), sys::now(), line);
            if before == 0 && reporter.failures() > 0 {
                sys::log(
                    sys::level::WARN,
                    &format!("interdict: outcomes not reported (gRPC status {status}); trying again"),
                );
            }
        });
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match configure(size, self.id) {
            Ok(plugin) => {
                self.plugin = Some(plugin);
                true
            }
            Err(why) => {
                sys::log(sys::level::ERROR, &format!("interdict: {why}"));
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        // Without a configuration Envoy made no plugin and no streams; were there one, `None` would end the VM and deny.
        let Plugin { config, shared, profiles } = self.plugin.clone()?;
        Some(Box::new(Http::new(id, config, shared, profiles, Rc::clone(&self.streams))))
    }

    fn on_tick(&mut self) {
        let Some(Plugin { shared, .. }) = &self.plugin else { return };
        // Before any stream becomes the context in effect: the call is the root's.
        shared.reporter(|reporter, line| reporter.flush(sys::now(), line));
        let waiting: Vec<(u32, Rc<RefCell<Stream>>)> = match self.streams.try_borrow() {
            Ok(streams) => streams
                .iter()
                .filter(|(_, stream)| stream.try_borrow().is_ok_and(|stream| stream.is_waiting()))
                .map(|(id, stream)| (*id, Rc::clone(stream)))
                .collect(),
            Err(_) => return,
        };
        for (id, stream) in waiting {
            if sys::set_effective_context(id).is_err() {
                continue;
            }
            let event = Event::Tick { now: sys::now(), received: received() };
            let mut host = EnvoyHost { shared: Rc::clone(shared), stream: id };
            if let Ok(mut stream) = stream.try_borrow_mut() {
                drive(&mut stream, &mut host, event);
            }
        }
    }
}

fn configure(size: usize, root: u32) -> Result<Plugin, String> {
    let bytes =
        sys::buffer(buffer::PLUGIN_CONFIGURATION, size).map_err(|_| "configuration cannot be read")?;
    let config = Config::parse(&bytes).map_err(|error| error.to_string())?;
    let check = match config.mode {
        Mode::Call => config.grpc_service().ok_or("authz: cannot be encoded")?,
        Mode::Split => String::new(),
    };
    let check = upstream(check, config.authz.as_ref().map_or(0, |authz| authz.timeout_ms));
    let (report, reporter) = match config.reporting() {
        Some(outcomes) => {
            let service = config.report_service().ok_or("outcomes: cannot be encoded")?;
            (upstream(service, outcomes.timeout_ms), Some(Reporter::new(outcomes.timeout_ms)))
        }
        None => (Upstream::default(), None),
    };
    let shared = Shared::new(root, check, report, reporter).map_err(|_| "Envoy refused to define metrics")?;
    sys::set_tick_period(TICK_MILLISECONDS).map_err(|_| "Envoy refused a timer")?;
    Ok(Plugin { config: Rc::new(config), shared: Rc::new(shared), profiles: no_profiles() })
}

fn upstream(service: String, timeout_ms: u32) -> Upstream {
    Upstream { service, timeout: Duration::from_millis(u64::from(timeout_ms)) }
}
