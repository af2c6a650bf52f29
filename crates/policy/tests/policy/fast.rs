//! The bytecode machine decides as the interpreter does, and never where it could lose an error.

use crate::common::{Folder, agent, call, limits, project, server};
use interdict_policy::Bundle;
use serde_json::{Value, json};

#[test]
fn the_loaded_topics_of_the_default_bundle_are_fast() {
    for data in ["examples/quickstart/bundle", "bench/bundle"] {
        let bundle = Bundle::load(&[project("policies"), project(data)]).unwrap();
        let fast = bundle.evaluator(limits()).fast_sets();
        println!("{fast:?} {:#?}", bundle.notes());
        for set in [
            "tools.allow",
            "session.allow",
            "limits.deny",
            "limits.intercept",
            "destinations.deny",
            "hours.deny",
        ] {
            assert!(fast.iter().any(|name| name == set), "{set}: {:?}", bundle.notes());
        }
    }
}

/// A cheap generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 9 } else { 13 }) {
            0 => json!(null),
            1 => json!(true),
            2 => json!(false),
            3 => json!(self.below(7)),
            4 => json!(-2.5),
            5 => json!("transfer"),
            6 => json!("ab"),
            7 => json!("EUR"),
            8 => json!(["https://demo.example/x", "a@mail.demo.example", "["][self.below(3)]),
            9 | 10 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let names = ["x", "y", "list", "amount", "currency", "iban", "reference", "to", "link", "path"];
        let mut members = serde_json::Map::new();
        for _ in 0..self.below(6) {
            let name = names[self.below(names.len())];
            members.insert(name.into(), self.value(depth));
        }
        Value::Object(members)
    }
}

/// Decides random calls with both engines.
#[track_caller]
fn same(bundle: &Bundle, calls: usize, what: &str) {
    if let Some(difference) = difference(bundle, calls) {
        panic!("{what}: {difference}");
    }
}

fn difference(bundle: &Bundle, calls: usize) -> Option<String> {
    let (mut fast, mut strict) = (bundle.evaluator(limits()), bundle.evaluator(limits()).interpreted());
    let mut random = Random(4711);
    let mut agents = [agent(), agent(), agent()];
    agents[1].roles.clear();
    agents[2].roles = vec!["reader".into()];
    let servers = ["payments", "files", "everything"].map(server);
    let tools = ["transfer", "send_receipt", "query", "echo", "read_file", "x"];
    for _ in 0..calls {
        let arguments = random.object(2);
        let agent = &agents[random.below(3)];
        let server = &servers[random.below(3)];
        let mut input = call(agent, server, tools[random.below(tools.len())], &arguments);
        if random.below(8) == 0 {
            input.mcp.method = Some(["ping", "prompts/get", "resources/read"][random.below(3)]);
            input.mcp.uri = Some("demo://x");
        }
        let (fast, strict) = (fast.decide(&input), strict.decide(&input));
        if fast != strict {
            return Some(format!("{} {arguments}: {fast:?} {strict:?}", server.id));
        }
    }
    (fast.differences() > 0).then(|| "a sample differs".into())
}

#[test]
fn random_calls_get_the_same_decision_from_both_engines() {
    let bundle = Bundle::load(&[project("policies"), project("examples/quickstart/bundle")]).unwrap();
    same(&bundle, 1500, "default bundle");
    // Paths through objects and lists.
    let data = "{limits: {files: {transfer: [\
        {path: [x, y], type: number, max: 3, optional: true}, \
        {path: [list, \"*\", amount], type: number, ask_above: 3, optional: true}, \
        {path: [to, link, \"*\"], type: string, max_length: 3}]}}, \
        destinations: {hosts: [demo.example], tools: {files: {transfer: [\
        {path: [x, link], kind: url, optional: true}, {path: [y, \"*\"], kind: email, optional: true}]}}}}";
    let own = Folder::new(&[("interdict/data.yaml", data)]);
    let demo = project("examples/quickstart/bundle");
    let [agents, servers] = ["agents/agents.yaml", "servers/servers.yaml"]
        .map(|file| std::fs::read_to_string(demo.join(file)).unwrap());
    own.write("agents/agents.yaml", &agents);
    own.write("servers/servers.yaml", &servers);
    same(&Bundle::load(&[project("policies"), own.root()]).unwrap(), 1500, "nested paths");
}

/// Bodies of a `deny` rule of every shape that an operator may write, many of which fail for some arguments.
const BODIES: &[&str] = &[
    "regex.match(\"[\", input.mcp.tool)",
    "regex.match(input.mcp.arguments.x, \"a\")",
    "not regex.match(input.mcp.arguments.x, \"a\")",
    "regex.replace(\"x\", input.mcp.arguments.x, \"y\") == \"never\"",
    "startswith(input.mcp.arguments.x, \"a\")",
    "not startswith(input.mcp.arguments.x, \"a\")",
    "not not_a",
    "not a",
    "count([v | some v in input.mcp.arguments.list; v == 3]) == 0",
    "count({v | some v in input.mcp.arguments.list; startswith(v, \"a\")}) == 0",
    "count([v | v := input.mcp.arguments.x]) == 0",
    "count([f(v) | some v in input.mcp.arguments.list]) == 0",
    "some i in [1, 2]; count([v | some v in input.mcp.arguments.list; v == i]) == 0",
    "input.mcp.arguments.x > 3",
    "3 >= input.mcp.arguments.x",
    "not input.mcp.arguments.x < 3",
    "input.mcp.arguments.x > input.mcp.arguments.y",
    "input.mcp.arguments.x + 1 == 4",
    "input.mcp.arguments.x - input.mcp.arguments.y == 0",
    "input.mcp.arguments.x * 2 < 5",
    "5 / input.mcp.arguments.x == 1",
    "5 % input.mcp.arguments.x == 1",
    "some v in input.mcp.arguments.list; v == 3",
    "some v in input.mcp.arguments.x",
    "some i, v in input.mcp.arguments.list; i == 1; v == \"ab\"",
    "some i, v in input.mcp.arguments; i == \"x\"; v == \"ab\"",
    "every v in input.mcp.arguments.list { v == 3 }",
    "every v in input.mcp.arguments.list { startswith(v, \"a\") }",
    "\"ab\" in input.mcp.arguments.list",
    "not \"ab\" in input.mcp.arguments.list",
    "input.mcp.arguments.x in input.mcp.arguments.list",
    "\"x\", \"ab\" in input.mcp.arguments",
    "0, \"ab\" in input.mcp.arguments.list",
    "not input.mcp.arguments.list[_] == 3",
    "input.mcp.arguments.list[_] == 3",
    "some i; input.mcp.arguments.list[i] == 3",
    "input.mcp.arguments.list[0] == 3",
    "not input.mcp.arguments.list[0] == 3",
    "input.mcp.arguments[input.mcp.arguments.x] == 3",
    "data.own.numbers[input.mcp.arguments.x]",
    "not data.own.numbers[input.mcp.arguments.x]",
    "[p, q] := input.mcp.arguments.list; p == q",
    "[p, _] = input.mcp.arguments.list; p == 3",
    "{\"a\": p} := input.mcp.arguments.x; p == 3",
    "p := input.mcp.arguments.x",
    "p := input.mcp.arguments.x; not f(p)",
    "p := f(input.mcp.arguments.x); not g(p)",
    "p := input.mcp.arguments.x == 3; p == false",
    "p := \"ab\" in input.mcp.arguments.list; p == false",
    "f(input.mcp.arguments.x)",
    "not f(input.mcp.arguments.x)",
    "g(input.mcp.arguments.x)",
    "not g(input.mcp.arguments.x)",
    "anything(input.mcp.arguments.x)",
    "not anything(input.mcp.arguments.x)",
    "absent(input.mcp.arguments.x)",
    "kind(input.mcp.arguments.x) == \"text\"",
    "kind(input.mcp.arguments.x) != \"text\"",
    "chain(input.mcp.arguments.x) == \"other\"",
    "either == 1",
    "not either == 1",
    "looped == 3",
    "not looped",
    "one_value",
    "with_default == 0",
    "defaulted(input.mcp.arguments.x) == false",
    "part[input.mcp.arguments.x]",
    "part[\"x\"] == 3",
    "members[\"ab\"]",
    "not members[\"ab\"]",
    "count(members) == 0",
    "object.get(input.mcp.arguments, [\"x\", \"y\"], 3) == 3",
    "to_number(input.mcp.arguments.x) == 3",
    "array.slice(input.mcp.arguments.list, 0, 1) == [3]",
    "walk(input.mcp.arguments, [_, v]); v == 3",
    "[1 | input.mcp.arguments.x > \"1\"] == [2]",
    "{\"a\": input.mcp.arguments.x}.a == 3",
    "{input.mcp.arguments.x} == {3}",
    "-3 == input.mcp.arguments.x",
    "{1, 2} - {input.mcp.arguments.x} == {1}",
    "{1} | {input.mcp.arguments.x} == {1}",
    "input.mcp.tool == \"transfer\" with input.mcp.tool as \"transfer\"",
    "time.weekday([input.mcp.arguments.x, \"UTC\"]) == \"Monday\"",
    "time.clock([1, input.mcp.arguments.x])[0] == 0",
    "lower(input.mcp.arguments.x) == \"ab\"",
    "concat(\"\", input.mcp.arguments.list) == \"ab\"",
    "sprintf(\"%v\", [input.mcp.arguments.x]) == \"ab\"",
    "count([v | some v in [1]; v == 2; input.mcp.tool == \"x\"]) == 0; input.mcp.tool == \"transfer\"",
    "count({v | some v in [1]; v == 2; data.own.numbers.ab}) == 0; data.own.numbers.ab",
    "some p; p = input.mcp.arguments.x; p == 3",
    "some p in input.mcp.arguments.list; some q in p; q == 3",
    "some [p, q] in input.mcp.arguments.list; p == q",
    "some \"x\", v in input.mcp.arguments; v == 3",
    "undefined_chain == 1",
    "not undefined_chain",
    "undefined_else == \"else\"",
    "not undefined_else",
    "ignored(input.mcp.arguments.x, input.mcp.arguments.y)",
    "not ignored(input.mcp.arguments.x, input.mcp.arguments.y)",
    "nested(input.mcp.arguments) == [3]",
    "some p in input.mcp.arguments.list; q := f(p); q",
    "some p in input.mcp.arguments.list; not f(p)",
    "some p in members; not g(p)",
    "after_loops == \"second\"",
    "after_loops == \"third\"",
    "not after_loops",
    "after(input.mcp.arguments.list) == \"second\"",
    "some p in input.mcp.arguments.list; after(p) == \"last\"",
    "not after(input.mcp.arguments.list)",
    "not input.mcp.arguments.x",
    "not input.mcp.arguments.x == input.mcp.arguments.y",
    "input.mcp.arguments.x != input.mcp.arguments.y",
    "not input.mcp.arguments.x != input.mcp.arguments.y",
    "object.keys(input.mcp.arguments) - {\"x\", \"y\"} == set()",
    "[input.mcp.arguments.x, input.mcp.arguments.y] == [3, 3]",
    "input.mcp.arguments.x.y.z == 3",
    "not input.mcp.arguments.x.y",
    "input.mcp.arguments[data.own.key] == 3",
    "max(input.mcp.arguments.list) == 3",
    "upper(input.mcp.arguments.x) != \"AB\"",
    "count(input.mcp.arguments.x) == 2",
    "trim_prefix(input.mcp.arguments.x, \"a\") == \"b\"",
    "split(input.mcp.arguments.x, \"\") == [\"a\", \"b\"]",
    "type_name(input.mcp.arguments.x) != \"string\"",
    "is_array(input.mcp.arguments.list); not input.mcp.arguments.list[0]",
    "input.mcp.arguments.x = input.mcp.arguments.y",
    "not input.mcp.arguments.x = 3",
    "p := [v | some v in input.mcp.arguments.list; v != 3]; not p[0]",
    "p := {v | some v in input.mcp.arguments.list}; some q in p; q == 3",
    "true",
    "false",
    "not false; input.mcp.tool",
    "glob.match(\"[\", [], input.mcp.arguments.x)",
];

const RULES: &str = r#"
f(v) if startswith(v, "a")
g(v) if v == 3
anything(v) if true
absent(v) if not v.a
kind("ab") := "text"
kind(3) := "number"
chain(v) := "text" if {
	startswith(v, "a")
} else := "number" if {
	v > 2
} else := "other"
a if startswith(input.mcp.arguments.x, "a")
not_a if not a
either := 1 if input.mcp.arguments.x == 3
either := 2 if input.mcp.arguments.y == 3
looped := v if some v in input.mcp.arguments.list
one_value if { some v in input.mcp.arguments.list; v == 3 }
one_value if input.mcp.arguments.y > 2
default with_default := 0
with_default := 1 if input.mcp.arguments.x == 3
default defaulted(_) := false
defaulted(v) if v == 3
part[k] := v if some k, v in input.mcp.arguments
undefined_chain := input.mcp.arguments.x.a if { input.mcp.tool } else := 1
undefined_else := "first" if { f(input.mcp.arguments.x) } else := input.mcp.arguments.y if { input.mcp.tool } else := "else"
ignored(_, _) if true
nested(o) := [v | some v in o.list; v > 2]
after_loops := "first" if { some v in input.mcp.arguments.list; v == 3 } else := "second" if { some v in input.mcp.arguments.list; v == "ab" } else := "third" if { input.mcp.arguments.x }
after(list) := "first" if { is_array(list); some v in list; v == 3 } else := "second" if { is_array(list); some v in list; some w in list; v != w } else := "last" if { is_string(list) }
members contains v if { some v in input.mcp.arguments.list; startswith(v, "a") }
"#;

/// The bundle with one deny rule, and the rules that its body mentions: one that cannot run fast would keep all of them.
fn bundle_of(body: &str) -> Bundle {
    let mut rules = String::new();
    let mut wanted = vec![body.to_owned()];
    while let Some(text) = wanted.pop() {
        let mut inside_chain = false;
        for line in RULES.lines() {
            let name = line.trim_start_matches("default ").split(['(', ' ', '[']).next().unwrap_or("");
            let start = !line.starts_with(['\t', '}']) && !name.is_empty();
            let words = || text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if start {
                inside_chain = words().any(|word| word == name);
            }
            if inside_chain && (!start || !rules.contains(&format!("{line}\n"))) {
                rules.push_str(&format!("{line}\n"));
                if start && line != text {
                    wanted.push(line.split_once("if").map_or("", |(_, body)| body).to_owned());
                }
            }
        }
    }
    let policy = format!(
        "package interdict.policy.own\nallow contains {{\"code\": \"ok\", \"message\": \"ok\"}}\n\
         deny contains {{\"code\": \"no\", \"message\": \"no\"}} if {{ {body} }}\n{rules}"
    );
    let data = "key: x\nnumbers: {\"3\": true, ab: true}\n";
    Folder::new(&[("p.rego", &policy), ("own/data.yaml", data)])
        .load()
        .map_err(|e| format!("{policy} {e}"))
        .unwrap()
}

#[test]
fn rules_of_every_shape_get_the_same_decision_from_both_engines() {
    // More for a search: every call that fails costs the interpreter a new engine.
    let calls = std::env::var("INTERDICT_RANDOM_CALLS").map_or(40, |calls| calls.parse().unwrap());
    let (mut fast, mut wrong) = (0, Vec::new());
    for body in BODIES {
        let bundle = bundle_of(body);
        let is_fast = bundle.evaluator(limits()).fast_sets().contains(&"own.deny".to_owned());
        println!("{} {body} {:?}", if is_fast { "fast" } else { "interpreted" }, bundle.notes());
        fast += usize::from(is_fast);
        let differ = bundle.notes().iter().find(|note| note.contains("differ")).cloned();
        wrong.extend(differ.or_else(|| difference(&bundle, calls)).map(|text| format!("{body}: {text}\n")));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
    assert!(fast * 2 > BODIES.len(), "{fast} of {}", BODIES.len());
}
