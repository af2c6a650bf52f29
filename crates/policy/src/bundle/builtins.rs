//! Which built-in functions a policy may call.
//!
//! The table is closed: a decision is a pure function of bundle and input, so what reads a clock, draws random numbers
//! or looks around is refused, and so is what regorus 0.14.1 does not have, what panics in it and what answers
//! "undefined" where it should fail (an undefined answer makes a `deny` rule silently false).

/// Pure built-ins of the Rego engine with the features that this crate switches on.
const PURE: &[&str] = &[
    "abs",
    "array.concat",
    "array.reverse",
    "array.slice",
    "base64.decode",
    "base64.encode",
    "base64.is_valid",
    "base64url.decode",
    "base64url.encode",
    "base64url.encode_no_pad",
    "bits.and",
    "bits.lsh",
    "bits.negate",
    "bits.or",
    "bits.rsh",
    "bits.xor",
    "ceil",
    "concat",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "glob.match",
    "glob.quote_meta",
    "graph.reachable",
    "graph.reachable_paths",
    "hex.decode",
    "hex.encode",
    "indexof",
    "indexof_n",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.filter",
    "json.is_valid",
    "json.marshal",
    "json.remove",
    "json.unmarshal",
    "lower",
    "max",
    "min",
    "net.cidr_contains",
    "net.cidr_expand",
    "net.cidr_is_valid",
    "numbers.range",
    "numbers.range_step",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.subset",
    "object.union",
    "object.union_n",
    "product",
    "regex.find_all_string_submatch_n",
    "regex.find_n",
    "regex.is_valid",
    "regex.match",
    "regex.replace",
    "regex.split",
    "replace",
    "round",
    "semver.compare",
    "semver.is_valid",
    "sort",
    "split",
    "sprintf",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "strings.replace_n",
    "strings.reverse",
    "substring",
    "sum",
    "time.add_date",
    "time.clock",
    "time.date",
    "time.diff",
    "time.format",
    "time.parse_duration_ns",
    "time.parse_ns",
    "time.parse_rfc3339_ns",
    "time.weekday",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "units.parse",
    "units.parse_bytes",
    "upper",
    "urlquery.decode",
    "urlquery.decode_object",
    "urlquery.encode",
    "urlquery.encode_object",
    "walk",
];

/// Whether a decision may call it.
pub(crate) fn is_pure(name: &str) -> bool {
    PURE.binary_search(&name).is_ok()
}

/// Why a name that is neither pure nor a rule of the bundle is refused: a code and what would be right.
pub(crate) fn refusal(name: &str) -> (&'static str, String) {
    let impure = |instead: &str| {
        let text = format!(
            "`{name}` is not a function of bundle and input, so the decision could not be replayed. {instead}"
        );
        ("bundle.impure_builtin", text)
    };
    match name {
        "time.now_ns" => impure("The decision's time is `input.time.unix_ms`."),
        "http.send" | "net.lookup_ip_addr" => impure("Put what it would fetch into a data file."),
        "rand.intn" | "uuid.rfc4122" | "uuid.parse" => impure("A decision has no random part."),
        "opa.runtime" | "rego.metadata.rule" | "rego.metadata.chain" => impure("Put the value into a data file."),
        "print" | "trace" => impure("Leave it out, or print in a `*_test.rego` file."),
        "strings.count" => (
            "bundle.unsafe_builtin",
            "`strings.count` panics on an empty search string in this engine. Use `count(split(text, part)) - 1`.".into(),
        ),
        "regex.template_match" => (
            "bundle.unsafe_builtin",
            "`regex.template_match` can panic in this engine. Use `regex.match`.".into(),
        ),
        _ => (
            "bundle.unknown_function",
            format!("`{name}` is neither a rule of this bundle nor a built-in that this engine has; policies/README.md lists those."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_the_search_works() {
        assert!(PURE.is_sorted());
    }

    #[test]
    fn every_builtin_of_the_table_exists_in_the_engine() {
        for name in PURE {
            let mut found = false;
            for arguments in ["1", "1, 1", "1, 1, 1", "1, 1, 1, 1"] {
                let mut engine = regorus::Engine::new();
                let policy = format!("package p\nx := {name}({arguments})\n");
                engine.add_policy("p.rego".into(), policy).unwrap();
                found |= match engine.eval_rule("data.p.x".into()) {
                    Ok(_) => true,
                    Err(error) => !error.to_string().contains("could not find function"),
                };
            }
            assert!(found, "{name}");
        }
    }
}
