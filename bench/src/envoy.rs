//! Envoy configurations: the shipped files of `envoy/`, rewired to the ports of this run. What is measured is what is
//! shipped; the two floors are the native file with its authorization filter taken out, or pointed at the floor server.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::cell::Scenario;
use crate::error::{Context, Failure, Result};

const EXT_AUTHZ: &str = "envoy.filters.http.ext_authz";

/// Where the parts of a configuration point in this run.
#[derive(Debug, Clone)]
pub(crate) struct Wiring {
    /// Port of Envoy's one listener on 127.0.0.1.
    pub(crate) listen: u16,
    /// Port of the MCP server on 127.0.0.1.
    pub(crate) upstream: u16,
    /// Port of the authorization server on 127.0.0.1; none for the bare floor.
    pub(crate) authz: Option<u16>,
    /// The Wasm module.
    pub(crate) wasm: PathBuf,
}

/// The shipped file that a scenario is made from.
pub(crate) fn shipped_file(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Call => "call.yaml",
        Scenario::Split => "split.yaml",
        Scenario::Bare | Scenario::Floor | Scenario::Native => "native.yaml",
    }
}

/// Loads the shipped configuration of a scenario and rewires it.
pub(crate) fn configuration(scenario: Scenario, folder: &Path, wiring: &Wiring) -> Result<Value> {
    let path = folder.join(shipped_file(scenario));
    let text = std::fs::read_to_string(&path).context(format!("read {}", path.display()))?;
    let mut config: Value = serde_saphyr::from_str(&text).context(format!("read {}", path.display()))?;
    derive(&mut config, scenario, wiring).context(format!(
        "{} as scenario {}",
        path.display(),
        scenario.name()
    ))?;
    Ok(config)
}

fn derive(config: &mut Value, scenario: Scenario, wiring: &Wiring) -> Result<()> {
    if let Some(root) = config.as_object_mut() {
        root.remove("admin");
    }
    let listeners = config.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    let listeners = listeners.context("no static listeners")?;
    // The first listener is the plain one; others (mTLS) are not measured.
    listeners.truncate(1);
    let listener = listeners.first_mut().context("no listener")?;
    set(listener, "address", loopback(wiring.listen));
    for_each_object(listener, &mut |object| {
        object.remove("access_log");
        if let Some(Value::Array(filters)) = object.get_mut("http_filters")
            && scenario == Scenario::Bare
        {
            filters.retain(|filter| filter.get("name").and_then(Value::as_str) != Some(EXT_AUTHZ));
        }
        if let Some(code) = object.get_mut("code")
            && let Some(local) = code.get_mut("local")
        {
            set(local, "filename", json!(wiring.wasm));
        }
    });

    let clusters = config.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    let clusters = clusters.context("no static clusters")?;
    let mut seen = Vec::new();
    for cluster in clusters.iter_mut() {
        let name = cluster.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let port = match name.as_str() {
            "interdict" => wiring.authz.unwrap_or(wiring.upstream),
            _ => wiring.upstream,
        };
        for_each_object(cluster, &mut |object| {
            if object.contains_key("socket_address") || object.contains_key("pipe") {
                object.remove("pipe");
                object.extend(loopback(port).as_object().cloned().unwrap_or_default());
            }
        });
        seen.push(name);
    }
    if wiring.authz.is_none() {
        clusters.retain(|cluster| cluster.get("name").and_then(Value::as_str) != Some("interdict"));
    } else if !seen.iter().any(|name| name == "interdict") {
        return Err(Failure::new(format!("no cluster \"interdict\" among {seen:?}")));
    }
    if seen.len() != 2 {
        return Err(Failure::new(format!(
            "expected the cluster \"interdict\" and one upstream, found {seen:?}"
        )));
    }
    Ok(())
}

fn loopback(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn for_each_object(value: &mut Value, visit: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values_mut().for_each(|inner| for_each_object(inner, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| for_each_object(inner, visit)),
        _ => {}
    }
}

/// The command that runs Envoy with a configuration file, alike in every scenario.
pub(crate) fn command(envoy: &Path, config: &Path, concurrency: usize) -> Command {
    let mut command = Command::new(envoy);
    command.arg("--config-path").arg(config);
    command.arg("--concurrency").arg(concurrency.to_string());
    // Several Envoys run beside each other: without this they would share hot-restart sockets.
    command.args(["--disable-hot-restart", "--log-level", "warn"]);
    command.stdout(std::process::Stdio::null());
    command
}

/// The newest Envoy that `tests/setup.sh` installed, else the one in PATH.
pub(crate) fn find() -> PathBuf {
    let installed = std::fs::read_dir(".cache/envoy").into_iter().flatten().flatten();
    let newest = installed
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().split('.').map(str::parse).collect();
            let version: std::result::Result<Vec<u32>, _> = version;
            let binary = entry.path().join("envoy/_bin/envoy");
            binary.is_file().then_some((version.ok()?, binary))
        })
        .max();
    newest.map_or_else(|| PathBuf::from("envoy"), |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Value {
        let cluster = |name: &str| {
            let address = json!({"socket_address": {"address": "10.0.0.1", "port_value": 9000}});
            json!({"name": name, "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}})
        };
        json!({
            "admin": {"address": {}},
            "static_resources": {
                "listeners": [
                    {"name": "mcp", "address": {}, "filter_chains": [{"filters": [{"typed_config": {
                        "access_log": [{}],
                        "http_filters": [
                            {"name": EXT_AUTHZ},
                            {"name": "interdict", "typed_config": {"config": {"vm_config": {"code": {"local": {"filename": "x.wasm"}}}}}},
                            {"name": "router"},
                        ],
                    }}]}]},
                    {"name": "mcp_mtls"},
                ],
                "clusters": [cluster("interdict"), cluster("mcp_server")],
            },
        })
    }

    fn derived(scenario: Scenario, authz: Option<u16>) -> Value {
        let mut config = shipped();
        derive(&mut config, scenario, &Wiring { listen: 1, upstream: 2, authz, wasm: "f.wasm".into() })
            .unwrap();
        config
    }

    #[test]
    fn every_address_and_the_module_are_rewired_and_nothing_listens_beside() {
        let config = derived(Scenario::Call, Some(3));
        let text = config.to_string();
        assert!(
            !text.contains("10.0.0.1") && !text.contains("admin") && !text.contains("access_log"),
            "{text}"
        );
        assert_eq!(config["static_resources"]["listeners"].as_array().unwrap().len(), 1);
        assert_eq!(config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"], 1);
        let port = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
        assert_eq!(config["static_resources"]["clusters"][0].pointer(port), Some(&json!(3)));
        assert_eq!(config["static_resources"]["clusters"][1].pointer(port), Some(&json!(2)));
        assert!(text.contains("f.wasm") && !text.contains("x.wasm"), "{text}");
    }

    #[test]
    fn bare_loses_the_authorization_filter_and_its_cluster_and_nothing_else() {
        let config = derived(Scenario::Bare, None);
        let names = config
            .pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters");
        let names: Vec<_> =
            names.unwrap().as_array().unwrap().iter().map(|filter| filter["name"].clone()).collect();
        assert_eq!(names, ["interdict", "router"]);
        assert_eq!(config["static_resources"]["clusters"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_shipped_files_differ_only_in_their_http_filters() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy");
        let wiring = Wiring { listen: 1, upstream: 2, authz: Some(3), wasm: "f.wasm".into() };
        let rest = |scenario| {
            let mut config = configuration(scenario, &folder, &wiring).unwrap();
            for_each_object(&mut config, &mut |object| {
                object.remove("http_filters");
                // How Envoy tells the server that a filter in mode split stands behind its call.
                object.remove("typed_per_filter_config");
            });
            config["static_resources"].take()
        };
        assert_eq!(rest(Scenario::Call), rest(Scenario::Native));
        assert_eq!(rest(Scenario::Split), rest(Scenario::Native));
    }
}
