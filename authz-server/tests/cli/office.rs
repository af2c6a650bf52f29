//! A server in this process whose one MCP server is pinned, and a second hand on its database of pins.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use authz_server::clock::SystemClock;
use authz_server::config::Config;
use authz_server::pins::{DATABASE, Entry, Pins};
use authz_server::server::Running;
use authz_server::telemetry::metrics::Metrics;
use interdict_content::definition::digest_text;
use interdict_policy::Bundle;
use interdict_proto::outcome;
use serde_json::Value;

use crate::house::{House, Ran, SERVERS};

pub(crate) struct Office {
    house: House,
    running: Running,
    pub(crate) twin: Pins,
}

impl Office {
    pub(crate) async fn open() -> Self {
        let house = House::new();
        house.write("bundle/servers/s.yaml", &SERVERS.replace("}]", ", tool_pinning: approve_first}]"));
        house.token();
        let running = Running::start(Config::load(&house.path("interdict.yaml")).unwrap()).await.unwrap();
        let bundle = Arc::new(ArcSwap::from_pointee(Bundle::load(&[house.path("bundle")]).unwrap()));
        let file = house.path(DATABASE);
        let twin = Pins::open(&file, bundle, None, Arc::new(SystemClock), &Metrics::new()).unwrap();
        Self { house, running, twin }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        self.house.write(name, text);
    }

    pub(crate) async fn saw(&self, definition: &str, state: &str) {
        let name = serde_json::from_str::<Value>(definition).unwrap()["name"].as_str().unwrap().to_owned();
        let seen = outcome::Seen {
            kind: "tool".to_owned(),
            name,
            digest: digest_text(definition),
            state: state.to_owned(),
            definition: definition.to_owned(),
        };
        note(&self.twin, seen).await;
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with("admin.token", arguments)
    }

    /// The same with another file for the token.
    pub(crate) fn run_with(&self, token: &str, arguments: &[&str]) -> Ran {
        let admin = format!("http://{}", self.running.addresses().admin.unwrap());
        self.house.run(&[arguments, &["--admin", &admin, "--token-file", token]].concat())
    }
}

/// Has it noted that this was seen of `tools`, and waits for that.
pub(crate) async fn note(pins: &Pins, seen: outcome::Seen) {
    pins.saw("acme", "tools", std::slice::from_ref(&seen));
    let is_noted = |entry: Entry| {
        let of = [entry.pin.map(|pin| pin.digest), entry.seen.map(|seen| seen.digest)];
        of.contains(&Some(seen.digest.clone()))
    };
    let noted = async {
        while !pins.entries(None, None, None, None).await.unwrap().into_iter().any(is_noted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), noted).await.unwrap();
}
