//! What a bundle may be, and what is refused at load with file, line, a stable code and what would be right.

use crate::common::{Folder, project};
use interdict_policy::{Bundle, BundleError, DenyForm, ServerEnforcement};

const AGENT: &str =
    "  - {id: a, owner: o, tenant: t, roles: [r], servers: [], identities: [{spiffe: \"spiffe://d/a\"}]}\n";

fn server(id: &str, hosts: &str, paths: &str) -> String {
    format!(
        "  - {{id: {id}, owner: o, tenant: t, resource: \"https://{id}.example/mcp\", hosts: {hosts}, paths: {paths}}}\n"
    )
}

#[track_caller]
fn refused(files: &[(&str, &str)], code: &str, line: Option<u32>) -> BundleError {
    let error = Folder::new(files).load().unwrap_err();
    assert_eq!((error.code, error.line), (code, line), "{error}");
    error
}

fn policy(line_3: &str) -> String {
    format!("package interdict.policy.own\n\n{line_3}\n")
}

#[track_caller]
fn refused_policy(line_3: &str, code: &str) -> String {
    refused(&[("own.rego", &policy(line_3))], code, Some(3)).to_string()
}

#[test]
fn impure_and_missing_builtins_are_refused_with_file_and_line() {
    for call in [
        "time.now_ns()",
        "http.send({})",
        "rand.intn(\"x\", 5)",
        "uuid.rfc4122(\"x\")",
        "opa.runtime()",
        "net.lookup_ip_addr(\"x\")",
        "trace(\"x\")",
        "print(\"x\")",
    ] {
        let text = refused_policy(&format!("deny contains {{}} if {call}"), "bundle.impure_builtin");
        assert!(text.contains("own.rego:3: "), "{text}");
    }
    for call in ["strings.count(\"a\", \"\")", "regex.template_match(\"a\", \"b\", \"c\", \"d\")"] {
        refused_policy(&format!("x := {call}"), "bundle.unsafe_builtin");
    }
    for call in [
        "io.jwt.decode(\"x\")",
        "crypto.sha256(\"x\")",
        "regex.globs_match(\"a\", \"b\")",
        "re_match(\"a\", \"b\")",
        "nothing(1)",
    ] {
        refused_policy(&format!("x := {call}"), "bundle.unknown_function");
    }
}

#[test]
fn an_impure_builtin_is_found_wherever_it_stands() {
    for rule in [
        "x := [time.now_ns()]",
        "x := {\"a\": {time.now_ns() | true}}",
        "x(y) := 1 if every z in y { z == time.now_ns() }",
        "deny contains {} if not 5 == time.now_ns()",
        "deny contains {} if input.x[time.now_ns()]",
        "deny contains {} if { false } else := 3 if time.now_ns() == 1",
        "deny contains {} if input.a with input.b as time.now_ns()",
        "default x := time.now_ns()",
        "deny contains {\"code\": \"x\", \"message\": sprintf(\"%v\", [time.now_ns()])}",
    ] {
        let error = Folder::new(&[("own.rego", &policy(rule))]).load().unwrap_err();
        assert!(matches!(error.code, "bundle.impure_builtin" | "bundle.rego"), "{rule}: {error}");
    }
}

#[test]
fn syntax_errors_name_the_line() {
    refused_policy("x := := 1", "bundle.rego");
    let error = refused(&[("x.rego", "package a\nx := 1 + ]\n")], "bundle.rego", Some(2));
    assert!(error.file.unwrap().ends_with("x.rego"));
}

#[test]
fn rules_that_nobody_would_read_are_refused() {
    refused_policy("deny := true", "bundle.not_a_set");
    refused_policy("deny if true", "bundle.not_a_set");
    refused_policy("intercept[x] := 1 if some x in [1]", "bundle.not_a_set");
    refused_policy("__x := 1", "bundle.rule_name");
    let outside = "package interdict.lib.x\n\ndeny contains 1\n";
    refused(&[("x.rego", outside)], "bundle.set_outside_of_topic", Some(3));
    refused(&[("x.rego", "package acme\nallow if true\n")], "bundle.set_outside_of_topic", Some(2));
    refused(&[("x.rego", "package interdict.polices.x\n")], "bundle.package", Some(1));
    refused(&[("x.rego", "package interdict.policy.a.b\n")], "bundle.package", Some(1));
    refused(
        &[("x.rego", "package interdict.policy[\"A b\"]\n\ndeny contains 1\n")],
        "bundle.topic_name",
        Some(3),
    );
}

#[test]
fn an_import_may_not_hide_input_or_data() {
    let text = "package interdict.policy.own\nimport data.acme.x as input\ndeny contains 1 if input.y\n";
    let error = Folder::new(&[("x.rego", text)]).load().unwrap_err();
    assert!(matches!(error.code, "bundle.import_name" | "bundle.rego"), "{error}");
}

#[test]
fn structured_files_that_nobody_reads_are_refused() {
    for name in ["extra.yaml", "data.yml", "sub/agents/a.yaml", "config.json"] {
        refused(&[(name, "a: 1")], "bundle.unread_file", None);
    }
    assert!(Folder::new(&[("README.md", "x"), (".hidden.yaml", "x"), ("LICENSE", "x")]).load().is_ok());
}

#[test]
fn data_is_merged_by_folder_and_conflicts_are_refused() {
    let folder =
        Folder::new(&[("data.yaml", "a: {b: 1}"), ("a/data.json", "{\"c\": 2}"), ("a/d/data.yaml", "e: 3")]);
    assert!(folder.load().is_ok());
    refused(&[("data.yaml", "a: {b: 1}"), ("a/data.yaml", "b: 1")], "bundle.data_conflict", None);
    refused(&[("data.yaml", "a: 1"), ("a/data.yaml", "b: 1")], "bundle.data_conflict", None);
    refused(&[("data.yaml", "a: 1\nb: 2\na: 3\n")], "bundle.yaml", Some(3));
    refused(&[("data.json", "{\"a\": 1,\n\"a\": 2}")], "bundle.json", Some(2));
    refused(&[("data.yaml", "- 1\n")], "bundle.data_not_a_mapping", Some(1));
    let rule = policy("x := 1");
    refused(
        &[("own.rego", &rule), ("data.yaml", "interdict: {policy: {own: {x: 2}}}")],
        "bundle.data_shadows_rule",
        Some(3),
    );
}

#[test]
fn unknown_and_missing_keys_of_agents_and_servers_are_refused() {
    refused(&[("agents/a.yaml", "agents:\n  - {id: a, colour: red}\n")], "bundle.yaml", Some(2));
    refused(&[("agents/a.yaml", "people: []\n")], "bundle.yaml", Some(1));
    let error = Folder::new(&[("servers/s.yaml", "servers:\n  - {id: a}\n")]).load().unwrap_err();
    assert_eq!(error.code, "bundle.yaml");
}

#[test]
fn ids_and_identities_are_unique() {
    refused(&[("agents/a.yaml", &format!("agents:\n{AGENT}{AGENT}"))], "bundle.duplicate_agent", Some(3));
    let other = AGENT.replace("id: a", "id: b");
    let error = refused(
        &[("agents/a.yaml", &format!("agents:\n{AGENT}")), ("agents/b.yaml", &format!("agents:\n{other}"))],
        "bundle.duplicate_identity",
        Some(2),
    );
    assert!(error.file.unwrap().ends_with("agents/b.yaml"));
    let twice = server("s", "[a]", "[/x]");
    refused(&[("servers/s.yaml", &format!("servers:\n{twice}{twice}"))], "bundle.duplicate_server", Some(3));
}

#[test]
fn agents_need_a_usable_identity_owner_tenant_and_known_servers() {
    for (from, to, code) in [
        ("identities: [{spiffe: \"spiffe://d/a\"}]", "identities: []", "bundle.no_identity"),
        ("spiffe://d/a", "https://d/a", "bundle.bad_identity"),
        ("spiffe://d/a", "spiffe://d/../a", "bundle.bad_identity"),
        ("tenant: t", "tenant: \"\"", "bundle.bad_label"),
        ("owner: o", "owner: \" \"", "bundle.no_owner"),
        ("{spiffe: \"spiffe://d/a\"}", "{issuer: x}", "bundle.yaml"),
        ("{spiffe: \"spiffe://d/a\"}", "{issuer: x, subject: y, spiffe: z}", "bundle.yaml"),
    ] {
        let text = format!("agents:\n{}", AGENT.replace(from, to));
        refused(&[("agents/a.yaml", &text)], code, Some(2));
    }
    let text = format!("agents:\n{}", AGENT.replace("servers: []", "servers: [s]"));
    refused(&[("agents/a.yaml", &text)], "bundle.unknown_server", None);
    let servers = format!("servers:\n{}", server("s", "[a]", "[/x]").replace("tenant: t", "tenant: u"));
    refused(&[("agents/a.yaml", &text), ("servers/s.yaml", &servers)], "bundle.foreign_tenant", None);
}

#[test]
fn servers_that_answer_for_the_same_place_are_refused() {
    let two = |a: (&str, &str), b: (&str, &str)| {
        let text = format!("servers:\n{}{}", server("a", a.0, a.1), server("b", b.0, b.1));
        Folder::new(&[("servers/s.yaml", &text)]).load()
    };
    for (a, b) in [
        (("[x]", "[/m]"), ("[x]", "[/m]")),
        (("[\"*\"]", "[/m]"), ("[x]", "[/m]")),
        (("[x]", "[/m]"), ("[\"*\"]", "[/m]")),
        (("[x, y]", "[/m]"), ("[y]", "[/n, /m]")),
    ] {
        assert_eq!(two(a, b).unwrap_err().code, "bundle.ambiguous_server");
    }
    assert!(two(("[x]", "[/m]"), ("[y]", "[/m]")).is_ok());
    assert!(two(("[\"*\"]", "[/m]"), ("[\"*\"]", "[/n]")).is_ok());
}

#[test]
fn resources_hosts_and_paths_are_checked() {
    let good = server("s", "[h]", "[/x]");
    for (from, to, code) in [
        ("https://s.example/mcp", "s.example/mcp", "bundle.bad_resource"),
        ("https://s.example/mcp", "https://s.example/mcp#a", "bundle.bad_resource"),
        ("https://s.example/mcp", "https://S.example/mcp", "bundle.bad_resource"),
        ("paths", "image_digest: 'sha256:00', paths", "bundle.bad_image_digest"),
        ("[h]", "[\"h:443\"]", "bundle.bad_host"),
        ("[h]", "[H]", "bundle.bad_host"),
        ("[h]", "[]", "bundle.unreachable_server"),
        ("[/x]", "[x]", "bundle.bad_path"),
        ("[/x]", "[\"/x?y\"]", "bundle.bad_path"),
        ("[/x]", "[]", "bundle.unreachable_server"),
    ] {
        refused(&[("servers/s.yaml", &format!("servers:\n{}", good.replace(from, to)))], code, Some(2));
    }
}

#[test]
fn a_server_is_found_by_host_without_port_and_exact_path() {
    let text =
        format!("servers:\n{}{}", server("a", "[h, \"[::1]\"]", "[/m]"), server("b", "[\"*\"]", "[/n]"));
    let bundle = Folder::new(&[("servers/s.yaml", &text)]).load().unwrap();
    let found =
        |host: &str, path: &str| bundle.registry().server_for(host, path).map(|server| server.id.clone());
    for host in ["h", "H", "h:8080", "[::1]", "[::1]:80"] {
        assert_eq!(found(host, "/m").as_deref(), Some("a"), "{host}");
    }
    assert_eq!(found("anything:1", "/n?x=1").as_deref(), Some("b"));
    for (host, path) in
        [("x", "/m"), ("h.", "/m"), ("h", "/m/"), ("h", "/M"), ("h", "/%6d"), ("h", "//m"), ("", "/m")]
    {
        assert_eq!(found(host, path), None, "{host} {path}");
    }
    for host in [
        "", "a,a", "a@b", "a b", "a/b", "a:", "a:x", "a:80:80", "a:65536", "::1", "[::1", "[a]", "[::1]x",
        "[::1]:", "a%2f",
    ] {
        assert_eq!(found(host, "/n"), None, "any host is meant, but `{host}` is none");
    }
    let server = bundle.registry().server("a").unwrap();
    assert_eq!((server.deny_form, server.enforcement), (DenyForm::ToolResult, ServerEnforcement::Native));
}

#[test]
fn agents_are_found_by_their_exact_identities() {
    let text = "agents:\n  - {id: a, owner: o, tenant: t, identities: [{issuer: \"https://i\", subject: s}, {spiffe: \"spiffe://d/a\"}]}\n";
    let bundle = Folder::new(&[("agents/a.yaml", text)]).load().unwrap();
    let registry = bundle.registry();
    assert_eq!(registry.agent_by_token("https://i", "s").unwrap().id, "a");
    assert_eq!(registry.agent_by_spiffe("spiffe://d/a").unwrap().id, "a");
    assert!(registry.agent_by_token("https://i/", "s").is_none());
    assert!(registry.agent_by_token("https://i", "S").is_none());
    assert!(registry.agent_by_spiffe("spiffe://d/a/").is_none());
}

#[test]
fn the_digest_depends_on_decisive_content_and_nothing_else() {
    let digest = |files: &[(&str, &str)]| Folder::new(files).load().unwrap().digest().to_owned();
    let base = digest(&[("data.yaml", "a: 1"), ("x.rego", "package p")]);
    assert_eq!(base.len(), 64);
    assert_eq!(base, digest(&[("x.rego", "package p"), ("data.yaml", "a: 1")]));
    assert_eq!(
        base,
        digest(&[
            ("data.yaml", "a: 1"),
            ("x.rego", "package p"),
            ("README.md", "x"),
            ("x_test.rego", "package t")
        ])
    );
    assert_ne!(base, digest(&[("data.yaml", "a: 2"), ("x.rego", "package p")]));
    assert_ne!(base, digest(&[("data.yaml", "a: 1"), ("y.rego", "package p")]));
    assert_ne!(base, digest(&[("data.yaml", "a: 1"), ("x.rego", "package p"), ("z.rego", "package z")]));
    let (one, two) = (Folder::new(&[("data.yaml", "a: 1")]), Folder::new(&[("x.rego", "package p")]));
    let forth = Bundle::load(&[one.root(), two.root()]).unwrap();
    let back = Bundle::load(&[two.root(), one.root()]).unwrap();
    assert_eq!((forth.digest(), back.digest()), (base.as_str(), base.as_str()));
}

#[cfg(unix)]
#[test]
fn links_out_of_the_root_are_refused_and_links_inside_are_followed() {
    use std::os::unix::fs::symlink;
    let outside = Folder::new(&[("data.yaml", "a: 1")]);
    let folder = Folder::new(&[("x.rego", "package p")]);
    symlink(outside.root().join("data.yaml"), folder.root().join("data.yaml")).unwrap();
    assert_eq!(folder.load().unwrap_err().code, "bundle.link_out_of_root");
    // As Kubernetes mounts a ConfigMap.
    let mounted = Folder::new(&[("..2026/data.yaml", "a: 1")]);
    symlink("..2026", mounted.root().join("..data")).unwrap();
    symlink("..data/data.yaml", mounted.root().join("data.yaml")).unwrap();
    let plain = Folder::new(&[("data.yaml", "a: 1")]);
    assert_eq!(mounted.load().unwrap().digest(), plain.load().unwrap().digest());
}

#[test]
fn roots_exist_do_not_overlap_and_hold_utf8() {
    let folder = Folder::new(&[("sub/data.yaml", "a: 1")]);
    let code = |roots: &[std::path::PathBuf]| Bundle::load(roots).unwrap_err().code;
    assert_eq!(code(&[]), "bundle.no_root");
    assert_eq!(code(&[folder.root().join("nothing")]), "bundle.unreadable");
    assert_eq!(code(&[folder.root().join("sub/data.yaml")]), "bundle.not_a_folder");
    assert_eq!(code(&[folder.root(), folder.root().join("sub")]), "bundle.overlapping_roots");
    std::fs::write(folder.root().join("x.rego"), b"package p\n# \xff\n").unwrap();
    let error = folder.load().unwrap_err();
    assert_eq!((error.code, error.line), ("bundle.not_utf8", Some(2)));
}

#[test]
fn a_file_that_is_too_big_is_refused() {
    let folder = Folder::new(&[]);
    let file = std::fs::File::create(folder.root().join("data.yaml")).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    assert_eq!(folder.load().unwrap_err().code, "bundle.file_too_big");
}

#[test]
fn a_topic_refuses_data_that_is_wrong() {
    let folder = Folder::new(&[(
        "data.yaml",
        "interdict: {limits: {bank: {pay: [{path: [a], type: number, max: \"5\"}]}}}",
    )]);
    let error = Bundle::load(&[project("policies"), folder.root()]).unwrap_err();
    assert_eq!(error.code, "bundle.policy_data", "{error}");
    assert!(error.message.contains("`pay`"), "{error}");
}

#[test]
fn the_example_bundles_load() {
    assert!(Bundle::load(&[project("examples/allow-all")]).is_ok());
    assert!(Bundle::load(&[project("policies"), project("examples/quickstart/bundle")]).is_ok());
    assert!(
        Bundle::load(&[
            project("policies"),
            project("examples/allow-all"),
            project("examples/quickstart/bundle")
        ])
        .is_ok()
    );
}

/// A ceiling on a server that is called otherwise binds nobody, and neither does a role that has no data.
#[test]
fn a_server_or_role_that_nothing_declares_is_told_with_the_one_that_was_meant() {
    let data = "interdict:
  roles: {user: {tools: {mien: [x], mine: [x], '*': [y]}}}
  limits: {mien: {get-sum: [{path: [a], type: number, ask_above: 100}]}}
  destinations: {hosts: [example.com], tools: {post: {send: [{path: [to], kind: host}]}}}
content: {}
";
    let agents = format!("agents:\n{}", AGENT.replace("[r]", "[user, usr, teller]"));
    let servers = format!("servers:\n{}", server("mine", "['*']", "[/mcp]"));
    let own = "package interdict.policy.own\n\ndeny contains {\"code\": \"x\", \"message\": \"x\"} if \"teller\" in input.agent.roles\n";
    let folder = Folder::new(&[
        ("data.yaml", data),
        ("agents/agents.yaml", &agents),
        ("servers/servers.yaml", &servers),
        ("own.rego", own),
    ]);
    let bundle = Bundle::load(&[project("policies"), folder.root()]).unwrap();
    let said: Vec<&str> =
        bundle.warnings().iter().map(|said| said.rsplit("data.yaml: ").next().unwrap()).collect();
    assert_eq!(
        said,
        [
            "nothing in this bundle reads `content`; did you mean `interdict.content`?",
            "`interdict.limits` names server `mien`, which no file declares; did you mean `mine`?",
            "`interdict.destinations.tools` names server `post`, which no file declares",
            "`interdict.roles.user.tools` names server `mien`, which no file declares; did you mean `mine`?",
            "agent `a` has role `usr`, which `interdict.roles` does not define; did you mean `user`?",
        ]
    );
}

#[test]
fn nothing_that_is_shipped_is_warned_of() {
    for example in ["examples/first-server/bundle", "examples/quickstart/bundle", "demo/policy"] {
        let bundle = Bundle::load(&[project("policies"), project(example)]).unwrap();
        assert!(bundle.warnings().is_empty(), "{example}: {:?}", bundle.warnings());
    }
}

#[test]
fn the_examples_of_the_policies_page_load() {
    let page = std::fs::read_to_string(project("policies/README.md")).unwrap();
    let block = |start: &str| {
        let from = page.find(start).unwrap_or_else(|| panic!("{start}"));
        page.split_at(from).1.split("```").next().unwrap().to_owned()
    };
    let registry = block("# agents/agents.yaml");
    let (agents, servers) = registry.split_once("# servers/servers.yaml").unwrap();
    let agents = agents.replace("servers: [files, payments]", "servers: [payments]");
    let folder = Folder::new(&[
        ("agents/agents.yaml", &agents),
        ("servers/servers.yaml", servers),
        ("data.yaml", &block("# data.yaml")),
        ("freeze.rego", &block("package interdict.policy.freeze")),
    ]);
    let bundle = Bundle::load(&[project("policies"), folder.root()]).unwrap();
    assert_eq!(bundle.registry().agents().count(), 1);
}
