use std::collections::BTreeSet;
use std::path::Path;

use serde::de::{self, DeserializeOwned, Visitor};

use super::*;
use crate::identity::config::{IssuerConfig, JwksConfig, MtlsConfig};

const ISSUER: &str = "identity: {issuers: [{issuer: i, algorithm: ES256, jwks: {file: keys.json}}]}\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("{ISSUER}{text}"), Path::new("/etc/interdict"))
}

fn refused(text: &str) -> (String, String) {
    let error = parse(text).unwrap_err();
    (error.key.unwrap_or_default(), error.message)
}

#[test]
fn the_example_has_every_key_and_loads() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("interdict.example.yaml");
    let config = Config::load(&file).unwrap();
    assert_eq!(config.identity.issuers.len(), 3);
    let text = std::fs::read_to_string(&file).unwrap();
    for key in keys() {
        let name = key.rsplit('.').next().unwrap().trim_end_matches("[]");
        assert!(text.contains(&format!("{name}:")), "{key} is not in the example");
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("interdict.example.yaml");
    let (shown, default) = (Config::load(&file).unwrap(), Config::default());
    assert_eq!(shown.listen.grpc.address, default.listen.grpc.address);
    assert_eq!(shown.listen.grpc.max_message_bytes, default.listen.grpc.max_message_bytes);
    assert_eq!(shown.listen.grpc.drain_seconds, default.listen.grpc.drain_seconds);
    assert_eq!(shown.bundle.reload_seconds, default.bundle.reload_seconds);
    assert_eq!((shown.limits, shown.decision, shown.log), (default.limits, default.decision, default.log));
    assert_eq!(shown.approvals.hold_seconds, default.approvals.hold_seconds);
    assert_eq!(shown.approvals.ttl_seconds, default.approvals.ttl_seconds);
    assert_eq!(shown.approvals.max_pending_per_agent, default.approvals.max_pending_per_agent);
    assert_eq!(shown.approvals.keep_days, default.approvals.keep_days);
    let own = AuditConfig { name: None, signing_key_file: None, witnesses: vec![], ..shown.audit.clone() };
    let place = shown.audit.directory.file_name().map(PathBuf::from).unwrap_or_default();
    assert_eq!(AuditConfig { directory: place, ..own }, default.audit);
}

#[test]
fn an_unknown_key_is_refused_with_its_path_and_the_right_ones() {
    let (key, message) = refused("listen:\n  grpc:\n    adress: 127.0.0.1:1");
    assert_eq!(key, "listen.grpc.adress");
    assert!(message.contains("address") && message.contains("line"), "{message}");
    assert_eq!(refused("lisen: {}").0, "lisen");
    assert_eq!(
        refused("upstream_credentials: [{server: a, file: b, hedaer: c}]").0,
        "upstream_credentials[0].hedaer"
    );
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let (key, message) = refused("limits: {max_depth: 7, max_depth: 8}");
    assert_eq!(key, "limits.max_depth");
    assert!(message.contains("twice"), "{message}");
    assert_eq!(refused("log: {}\nlog: {}").0, "log");
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_its_path() {
    for (text, path, hint) in [
        ("limits: {max_depth: deep}", "limits.max_depth", "whole number"),
        ("limits: {max_depth: -1}", "limits.max_depth", "whole number"),
        ("log: {format: xml}", "log.format", "json, text"),
        ("audit: {durability: never}", "audit.durability", "consequential, every"),
        ("audit: {arguments: plain}", "audit.arguments", "commitment, shown"),
        ("audit: {reads_when_unavailable: pass}", "audit.reads_when_unavailable", "deny, allow"),
        ("listen: {grpc: {address: localhost}}", "listen.grpc.address", "127.0.0.1:9191"),
        ("listen: {grpc: {address: 'unix:'}}", "listen.grpc.address", "unix:/run"),
        ("listen: {admin: {address: nowhere, token_file: t}}", "listen.admin.address", "address"),
        ("listen: {admin: {address: '127.0.0.1:1'}}", "listen.admin", "token_file"),
    ] {
        let (key, message) = refused(text);
        assert_eq!(key, path, "{text}: {message}");
        assert!(message.contains(hint), "{text}: {message}");
    }
}

#[test]
fn a_value_that_cannot_be_is_refused_with_what_would_be_right() {
    for (text, path, hint) in [
        ("approvals: {hold_seconds: 26}", "approvals.hold_seconds", "between 0 and 25"),
        ("approvals: {ttl_seconds: 1}", "approvals.ttl_seconds", "between 10 and 604800"),
        ("approvals: {max_pending_per_agent: 0}", "approvals.max_pending_per_agent", "between 1"),
        ("approvals: {keep_days: 0}", "approvals.keep_days", "between 1 and 3650"),
        ("approvals: {keep_days: 3651}", "approvals.keep_days", "between 1 and 3650"),
        ("approvals: {page_url: 'https://x.example/'}", "approvals.page_url", "{id}"),
        ("approvals: {page_url: 'javascript:{id}'}", "approvals.page_url", "https"),
        ("audit: {checkpoint_seconds: 0}", "audit.checkpoint_seconds", "between 1 and 60"),
        ("audit: {checkpoint_entries: 0}", "audit.checkpoint_entries", "between 1"),
        ("audit: {inputs_keep_days: 0}", "audit.inputs_keep_days", "between 1"),
        ("audit: {outcome_deadline_seconds: 0}", "audit.outcome_deadline_seconds", "between 1"),
        ("audit: {replay_sample_per_mille: 1001}", "audit.replay_sample_per_mille", "1000"),
        ("audit: {name: 'a b'}", "audit.name", "log.example.com"),
        ("audit: {name: a+b}", "audit.name", "log.example.com"),
        ("audit: {witnesses: [{url: 'ftp://w/', key: a+b+c}]}", "audit.witnesses[0].url", "https"),
        ("audit: {witnesses: [{url: 'http://w/', key: a+b+c}]}", "audit.witnesses[0].url", "loopback"),
        (
            "audit: {witnesses: [{url: 'http://127.0.0.1/', key: abc}]}",
            "audit.witnesses[0].key",
            "name+hash+key",
        ),
        ("bundle: {paths: []}", "bundle.paths", "at least one"),
        ("bundle: {paths: [a, b], signature: {key_file: k}}", "bundle.paths", "build"),
        ("bundle: {paths: [a], token_file: t}", "bundle.token_file", "bundle.url"),
        ("bundle: {paths: [a], url: 'https://b.example/'}", "bundle.url", "one of them"),
        ("bundle: {url: 'http://b.example/'}", "bundle.url", "https"),
        ("bundle: {url: 'https://me:pw@b.example/'}", "bundle.url", "token_file"),
        ("bundle: {max_age_seconds: 60, reload_seconds: 0}", "bundle.max_age_seconds", "reload_seconds"),
        ("bundle: {max_age_seconds: 60, reload_seconds: 60}", "bundle.max_age_seconds", "reload_seconds"),
        ("bundle: {timeout_seconds: 0}", "bundle.timeout_seconds", "between 1"),
        ("limits: {max_body_bytes: 10}", "limits.max_body_bytes", "between 1024"),
        ("limits: {max_body_bytes: 4190000}", "listen.grpc.max_message_bytes", "65536"),
        ("decision: {timeout_ms: 0}", "decision.timeout_ms", "between 1"),
        ("decision: {memory_bytes: 5}", "decision.memory_bytes", "between 1048576"),
        ("listen: {grpc: {drain_seconds: 301}}", "listen.grpc.drain_seconds", "between 0 and 300"),
    ] {
        let (key, message) = refused(text);
        assert_eq!(key, path, "{text}: {message}");
        assert!(message.contains(hint), "{text}: {message}");
    }
    let nobody = Config::parse("", Path::new("/")).unwrap_err();
    assert_eq!(nobody.key.as_deref(), Some("identity.issuers"));
}

#[test]
fn text_that_is_no_yaml_or_more_than_one_document_is_refused() {
    for text in ["listen: [", "log: {}\n---\nlog: {}", "- a", "&a log: *a", "log: {<<: {level: info}}"] {
        assert!(Config::parse(text, Path::new("/")).is_err(), "{text}");
    }
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let config = parse(
        "listen: {grpc: {address: 'unix:run/i.sock', tls: {cert: c, key: /abs/k}}, admin: {address: '127.0.0.1:0', token_file: t}}\n\
         bundle: {paths: [a, /b]}\nupstream_credentials: [{server: s, file: f}]\napprovals: {database: d, request_state_key_file: r}\n\
         audit: {directory: e, signing_key_file: s}",
    )
    .unwrap();
    let base = Path::new("/etc/interdict");
    assert_eq!(config.listen.grpc.address, ListenAddress::Unix(base.join("run/i.sock")));
    let tls = config.listen.grpc.tls.unwrap();
    assert_eq!((tls.cert, tls.key), (base.join("c"), "/abs/k".into()));
    assert_eq!(config.listen.admin.unwrap().token_file, base.join("t"));
    assert_eq!(config.bundle.paths, [base.join("a"), "/b".into()]);
    assert_eq!(config.upstream_credentials[0].file, base.join("f"));
    assert_eq!(config.approvals.database, base.join("d"));
    assert_eq!(config.audit.directory, base.join("e"));
    assert_eq!(config.audit.signing_key_file.unwrap(), base.join("s"));
    assert_eq!(config.approvals.request_state_key_file.unwrap(), base.join("r"));
    assert_eq!(config.identity.issuers[0].jwks.file.as_ref().unwrap(), &base.join("keys.json"));
}

#[test]
fn the_documentation_lists_exactly_the_keys_that_exist() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(page).unwrap();
    let documented: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect();
    assert_eq!(documented, keys());
}

/// Every key of the file as a path, asked from the structs themselves.
fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut add =
        |prefix: &str, fields: &[&str]| {
            keys.extend(fields.iter().map(|field| {
                if prefix.is_empty() { (*field).to_owned() } else { format!("{prefix}.{field}") }
            }));
        };
    add("", fields::<Config>());
    add("listen", fields::<Listen>());
    add("listen.grpc", fields::<GrpcListen>());
    add("listen.grpc.tls", fields::<TlsConfig>());
    add("listen.admin", fields::<AdminListen>());
    add("listen.metrics", fields::<MetricsListen>());
    add("bundle", fields::<BundleConfig>());
    add("bundle.signature", fields::<SignatureConfig>());
    add("identity", fields::<IdentityConfig>());
    add("identity.issuers[]", fields::<IssuerConfig>());
    add("identity.issuers[].jwks", fields::<JwksConfig>());
    add("identity.mtls", fields::<MtlsConfig>());
    add("upstream_credentials[]", fields::<UpstreamCredentialConfig>());
    add("limits", fields::<Limits>());
    add("decision", fields::<DecisionConfig>());
    add("approvals", fields::<ApprovalsConfig>());
    add("audit", fields::<AuditConfig>());
    add("audit.witnesses[]", fields::<WitnessConfig>());
    add("log", fields::<LogConfig>());
    keys
}

/// The names that `T` reads, from serde's own description of it.
fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Spy<'a>(&'a mut &'static [&'static str]);

    impl<'de> de::Deserializer<'de> for Spy<'_> {
        type Error = de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(de::Error::custom("seen"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut fields: &'static [&'static str] = &[];
    assert!(T::deserialize(Spy(&mut fields)).is_err());
    fields
}
