//! The examples of `docs/content.md` load, and do what is said of them.

use crate::common::{Folder, project};
use interdict_content::finding::SessionKey;
use interdict_content::profile::Action;
use interdict_mcp::json::{Document, Limits};
use interdict_policy::{Bundle, Direction, ToolPinning};

const POLICY: &str = "package interdict.policy.own\nallow contains {\"code\": \"a\", \"message\": \"m\"}\n";

fn blocks(start: &str) -> Vec<String> {
    let page = std::fs::read_to_string(project("docs/content.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.starts_with(start)).map(str::to_owned).collect()
}

fn load(data: &str) -> Bundle {
    let server = |id: &str| {
        format!(
            "  - {{id: {id}, owner: o, tenant: t, resource: \"https://{id}/mcp\", hosts: [{id}], paths: [/mcp]}}\n"
        )
    };
    let servers = format!("servers:\n{}{}", server("build"), server("mail"));
    Folder::new(&[("a.rego", POLICY), ("data.yaml", data), ("servers/s.yaml", &servers)]).load().unwrap()
}

#[test]
fn the_examples_of_the_manual_load() {
    let contents = blocks("interdict:\n  content:");
    assert_eq!(contents.len(), 3);
    for content in contents {
        assert!(!load(&content).content().is_silent(), "{content}");
    }
    let [servers] = <[String; 1]>::try_from(blocks("# servers/servers.yaml")).unwrap();
    let bundle = Folder::new(&[("a.rego", POLICY), ("servers/s.yaml", &servers)]).load().unwrap();
    assert_eq!(bundle.registry().server("files").unwrap().tool_pinning, ToolPinning::ApproveFirst);
}

/// D5: arguments toward a tool that executes are looked through for what a shell would act on; those of others are not.
#[test]
fn a_pattern_keeps_what_a_shell_acts_on_from_a_tool_that_executes() {
    let example = blocks("interdict:\n  content:").into_iter().find(|block| block.contains("shell")).unwrap();
    let bundle = load(&example);
    let found = |server: &str, tool: &str, arguments: &str| {
        let profile = bundle.content().profile(server, Some(tool), Direction::Request)?;
        let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
        let scan = profile.engine().scan(document.root(), &SessionKey::new([0; 32]));
        scan.findings.iter().map(|finding| finding.action).max()
    };
    for hostile in [
        r#"{"x":"make; id"}"#,
        r#"{"x":["$(id)"]}"#,
        r#"{"x":{"y":"a `id`"}}"#,
        r#"{"x":"a%3Bb"}"#,
        r#"{"x":"a\nb"}"#,
    ] {
        assert_eq!(found("build", "run", hostile), Some(Action::Deny), "{hostile}");
        assert_eq!(found("build", "exec_later", hostile), Some(Action::Deny), "{hostile}");
        assert_eq!(found("mail", "run", hostile), None, "{hostile}");
        assert_eq!(found("build", "describe", hostile), None, "{hostile}");
    }
    assert_eq!(found("build", "run", r#"{"x":"make all"}"#), None);
}
