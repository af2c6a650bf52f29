//! The plugin configuration, and the Envoy configurations that carry it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use interdict_filter::config::{Config, MAX_ANSWER_BYTES, Mode};
use interdict_proto::enforcement::keys;
use interdict_proto::envoy::core::{GrpcService, grpc_service::TargetSpecifier};
use prost::Message;
use std::path::Path;
use support::{CALL_CONFIG, SPLIT_CONFIG};

#[test]
fn rule_03_the_mode_is_said_and_never_guessed() {
    assert_eq!(Config::parse(CALL_CONFIG.as_bytes()).unwrap().mode, Mode::Call);
    assert_eq!(Config::parse(SPLIT_CONFIG.as_bytes()).unwrap().mode, Mode::Split);
    assert!(Config::parse(br#"{"authz":{"cluster":"a"}}"#).is_err());
}

#[test]
fn defaults_are_filled_in() {
    let config = Config::parse(br#"{"mode":"call","authz":{"cluster":"a"}}"#).unwrap();
    assert_eq!((config.max_body_bytes, config.body_timeout_ms), (1 << 20, 10_000));
    assert_eq!(config.authz.unwrap().timeout_ms, 10_000);
}

#[test]
fn rule_21_whatever_does_not_fit_is_refused_with_the_keys_name() {
    let call = |rest: &str| format!(r#"{{"mode":"call","authz":{{"cluster":"a"}}{rest}}}"#);
    for (text, told) in [
        (String::new(), "configuration"),
        ("{".into(), "configuration"),
        ("null".into(), "configuration"),
        (r#"{"mode":"call"}"#.into(), "authz"),
        (r#"{"mode":"both","authz":{"cluster":"a"}}"#.into(), "both"),
        (r#"{"mode":"split","authz":{"cluster":"a"}}"#.into(), "authz"),
        (r#"{"mode":"call","authz":{"cluster":""}}"#.into(), "authz.cluster"),
        (r#"{"mode":"call","authz":{"cluster":"a","timeout_ms":0}}"#.into(), "authz.timeout_ms"),
        (r#"{"mode":"call","authz":{"cluster":"a","timeout_ms":60001}}"#.into(), "authz.timeout_ms"),
        (r#"{"mode":"call","authz":{"cluster":"a","timeout":5}}"#.into(), "timeout"),
        (format!(r#"{{"mode":"call","authz":{{"cluster":"{}"}}}}"#, "a".repeat(101)), "authz.cluster"),
        (r#"{"mode":"call","authz":{"cluster":"ä"}}"#.into(), "authz.cluster"),
        (call(r#","extra":1"#), "extra"),
        (call(r#","outcomes":{"on":true}"#), "on"),
        (call(r#","outcomes":{"cluster":"b"}"#), "outcomes.cluster"),
        (call(r#","outcomes":{"authority":"b"}"#), "outcomes.cluster"),
        (call(r#","outcomes":{"timeout_ms":0}"#), "outcomes.timeout_ms"),
        (call(r#","outcomes":{"timeout_ms":60001}"#), "outcomes.timeout_ms"),
        (call(r#","outcomes":{"read_body_bytes":1048577}"#), "outcomes.read_body_bytes"),
        (call(r#","outcomes":{"read_body_bytes":-1}"#), "configuration"),
        (call(r#","context":{"interdict.outcomes":"1"}"#), "context.interdict.outcomes"),
        (r#"{"mode":"split","outcomes":{}}"#.into(), "outcomes.cluster"),
        (r#"{"mode":"split","outcomes":{"cluster":"a","enabled":true}}"#.into(), "outcomes.enabled"),
        (r#"{"mode":"split","outcomes":{"cluster":"ä"}}"#.into(), "outcomes.cluster"),
        (format!(r#"{{"mode":"split","outcomes":{{"cluster":"{}"}}}}"#, "a".repeat(51)), "outcomes.cluster"),
        (call(r#","mode":"call""#), "mode"),
        (call(r#","max_body_bytes":0"#), "max_body_bytes"),
        (call(r#","max_body_bytes":67108865"#), "max_body_bytes"),
        (call(r#","max_body_bytes":1.5"#), "configuration"),
        (call(r#","body_timeout_ms":99"#), "body_timeout_ms"),
        (call(r#","context":{"interdict.enforcer":"native"}"#), "context.interdict.enforcer"),
        (call(r#","context":{"interdict.route":"x"}"#), "context.interdict.route"),
        (call(r#","context":{"a":1}"#), "configuration"),
        (call(r#","exempt":[{"path":"healthz"}]"#), "exempt[0]"),
        (call(r#","exempt":[{"path":"/a"},{"path_prefix":"/"}]"#), "exempt[1]"),
        (call(r#","exempt":[{"path_prefix":"/a/../b"}]"#), "exempt[0]"),
        (call(r#","exempt":[{"path":"/a?b"}]"#), "exempt[0]"),
        (call(r#","exempt":[{"route":""}]"#), "exempt[0]"),
        (call(r#","exempt":[{"path":"/a","route":"b"}]"#), "configuration"),
        (call(r#","exempt":[{"host":"a"}]"#), "host"),
    ] {
        let error = Config::parse(text.as_bytes()).expect_err(&text).to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn outcomes_are_reported_where_the_configuration_says_so() {
    let reporting = |text: &str| {
        let config = Config::parse(text.as_bytes()).unwrap();
        let service = config.report_service();
        assert_eq!(config.reporting().is_some(), service.is_some());
        let service = GrpcService::decode(service?.as_bytes()).unwrap();
        let Some(TargetSpecifier::EnvoyGrpc(target)) = service.target_specifier else { panic!() };
        let outcomes = config.reporting()?;
        Some((target.cluster_name, target.authority, outcomes.timeout_ms, outcomes.read_body_bytes))
    };
    let told = |cluster: &str, authority: &str, timeout, bytes| {
        Some((cluster.to_owned(), authority.to_owned(), timeout, bytes))
    };
    let call = |rest: &str| format!(r#"{{"mode":"call","authz":{{"cluster":"a","authority":"b"}}{rest}}}"#);
    assert_eq!(reporting(&call("")), told("a", "b", 5_000, 65_536));
    assert_eq!(reporting(&call(r#","outcomes":{"timeout_ms":7}"#)), told("a", "b", 7, 65_536));
    assert_eq!(reporting(&call(r#","outcomes":{"enabled":false}"#)), None);
    assert_eq!(reporting(SPLIT_CONFIG), None);
    assert_eq!(
        reporting(r#"{"mode":"split","outcomes":{"cluster":"c","read_body_bytes":0}}"#),
        told("c", "c", 5_000, 0)
    );
}

#[test]
fn rule_11_the_upstream_is_a_serialized_grpc_service_that_is_also_text() {
    for (cluster, authority, expected) in [
        ("interdict".to_owned(), String::new(), "interdict"),
        ("a".repeat(50), "b".repeat(50), &*"b".repeat(50)),
    ] {
        let text =
            format!(r#"{{"mode":"call","authz":{{"cluster":"{cluster}","authority":"{authority}"}}}}"#);
        let upstream = Config::parse(text.as_bytes()).unwrap().grpc_service().unwrap();
        let service = GrpcService::decode(upstream.as_bytes()).unwrap();
        let Some(TargetSpecifier::EnvoyGrpc(target)) = service.target_specifier else { panic!() };
        assert_eq!((target.cluster_name.as_str(), target.authority.as_str()), (cluster.as_str(), expected));
        assert_eq!(target.max_receive_message_length.unwrap().value, MAX_ANSWER_BYTES);
    }
    // A cluster name alone is the authority too.
    for (length, fits) in [(50, true), (51, false)] {
        let text = format!(r#"{{"mode":"call","authz":{{"cluster":"{}"}}}}"#, "a".repeat(length));
        assert_eq!(Config::parse(text.as_bytes()).is_ok(), fits);
    }
    const { assert!(MAX_ANSWER_BYTES > 2_000_000) };
}

// --- envoy/*.yaml ---

fn shipped(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy").join(name);
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn manager(config: &serde_json::Value) -> &serde_json::Value {
    &config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

fn filter<'a>(config: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    let filters = manager(config)["http_filters"].as_array().unwrap();
    filters.iter().find(|filter| filter["name"] == name).map(|filter| &filter["typed_config"])
}

fn plugin(config: &serde_json::Value) -> &serde_json::Value {
    &filter(config, "interdict").unwrap()["config"]
}

#[test]
fn rule_03_the_shipped_configurations_fit_their_mode() {
    for (name, mode) in [("call.yaml", Mode::Call), ("split.yaml", Mode::Split)] {
        let config = shipped(name);
        let plugin = plugin(&config);
        let own = Config::parse(plugin["configuration"]["value"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(own.mode, mode);
        let holds = plugin["allow_on_headers_stop_iteration"].as_bool().unwrap_or(false);
        assert_eq!(holds, mode == Mode::Call, "{name}");
        let filters = manager(&config)["http_filters"].as_array().unwrap();
        let names: Vec<&str> = filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect();
        let expected: &[&str] = match mode {
            Mode::Call => &["interdict", "envoy.filters.http.router"],
            Mode::Split => &["envoy.filters.http.ext_authz", "interdict", "envoy.filters.http.router"],
        };
        assert_eq!(names, expected);
    }
}

#[test]
fn the_shipped_configurations_report_outcomes_and_say_so() {
    for (name, mode) in [("call.yaml", Mode::Call), ("split.yaml", Mode::Split)] {
        let config = shipped(name);
        let plugin = plugin(&config);
        let own = Config::parse(plugin["configuration"]["value"].as_str().unwrap().as_bytes()).unwrap();
        assert!(own.reporting().is_some());
        let allowed = &plugin["capability_restriction_config"]["allowed_capabilities"];
        for needed in ["proxy_grpc_call", "proxy_on_grpc_receive", "proxy_on_grpc_close", "proxy_on_done"] {
            assert!(allowed.get(needed).is_some(), "{name}: {needed}");
        }
        if mode == Mode::Split {
            let host = &manager(&config)["route_config"]["virtual_hosts"][0];
            let told = &host["typed_per_filter_config"]["envoy.filters.http.ext_authz"]["check_settings"];
            assert_eq!(told["context_extensions"][keys::OUTCOMES], keys::OUTCOMES_REPORTED);
        }
    }
}

#[test]
fn rule_06_envoys_buffer_is_larger_than_our_cap() {
    for name in ["call.yaml", "split.yaml", "native.yaml"] {
        let config = shipped(name);
        let buffer =
            config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"].as_u64().unwrap();
        assert!(buffer > 1 << 20);
        if name != "native.yaml" {
            let own = Config::parse(plugin(&config)["configuration"]["value"].as_str().unwrap().as_bytes())
                .unwrap();
            assert!(buffer > own.max_body_bytes as u64);
        }
    }
}

#[test]
fn rule_18_the_module_fails_closed_and_is_named_uniquely() {
    let mut names = Vec::new();
    for name in ["call.yaml", "split.yaml"] {
        let config = shipped(name);
        let plugin = plugin(&config);
        assert_eq!(plugin["failure_policy"], "FAIL_RELOAD");
        assert!(plugin.get("fail_open").is_none());
        assert!(plugin["vm_config"].get("allow_precompiled").is_none());
        names.push(plugin["name"].as_str().unwrap().to_owned());
        assert_eq!(plugin["name"], plugin["vm_config"]["vm_id"]);
    }
    names.dedup();
    assert_eq!(names.len(), 2);
}

#[test]
fn rule_19_the_module_may_use_neither_shared_data_nor_queues() {
    for name in ["call.yaml", "split.yaml"] {
        let config = shipped(name);
        let allowed =
            plugin(&config)["capability_restriction_config"]["allowed_capabilities"].as_object().unwrap();
        assert!(!allowed.is_empty(), "an empty list would mean no restriction");
        assert!(allowed.keys().all(|key| !key.contains("shared") && !key.contains("http_call")));
    }
}

#[test]
fn ext_authz_fails_closed_and_sends_bytes() {
    for name in ["split.yaml", "native.yaml"] {
        let config = shipped(name);
        let authz = filter(&config, "envoy.filters.http.ext_authz").unwrap();
        assert_eq!(authz["failure_mode_allow"], false);
        assert_eq!(authz["encode_raw_headers"], true);
        assert_eq!(authz["include_peer_certificate"], true);
        assert_eq!(authz["with_request_body"]["pack_as_bytes"], true);
        assert_eq!(authz["with_request_body"]["allow_partial_message"], false);
    }
}

#[test]
fn the_certificate_header_is_written_by_envoy_alone() {
    for name in ["call.yaml", "split.yaml", "native.yaml"] {
        let config = shipped(name);
        let manager = manager(&config);
        assert_eq!(manager["forward_client_cert_details"], "SANITIZE_SET");
        assert_eq!(manager["set_current_client_cert_details"]["uri"], true);
        assert_eq!(manager["set_current_client_cert_details"]["cert"], true);
        assert!(manager.get("local_reply_config").is_none());
        assert_eq!(config["admin"]["address"]["socket_address"]["address"], "127.0.0.1");
    }
}
