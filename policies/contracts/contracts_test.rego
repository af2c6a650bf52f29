package interdict.policy.contracts_test

import data.interdict.policy.contracts

hosts := {"hosts": ["example.com"]}

call(contract, arguments) := {
	"agent": {"roles": ["clerk"]},
	"server": {"id": "bank"},
	"contract": contract,
	"mcp": {"kind": "request", "method": "tools/call", "tool": "act", "arguments": arguments},
}

denied(contract, arguments) := {reason.code |
	some reason in contracts.deny with input as call(contract, arguments) with data.interdict.destinations as hosts
}

asked(contract, arguments) := {reason.code |
	some reason in contracts.intercept with input as call(contract, arguments)
		with data.interdict.destinations as hosts
}

silent(contract, arguments) if {
	denied(contract, arguments) == set()
	asked(contract, arguments) == set()
}

test_a_tool_without_terms_is_silent if {
	silent({"effects": ["read"]}, {"amount": 5})
	count(contracts.obligation) == 0 with input as call({"effects": ["read"]}, {})
	count(contracts.deny) == 0 with input as object.remove(call({}, {}), ["contract"])
}

# === required ===

test_a_server_may_need_a_contract_for_every_tool if {
	bare := object.remove(call({}, {}), ["contract"])
	required := {"bank": {"required": true}}
	{reason.code | some reason in contracts.deny with input as bare with data.interdict.contracts as required} == {"contract_missing"}
	count(contracts.deny) == 0 with input as call({"effects": ["read"]}, {}) with data.interdict.contracts as required
	count(contracts.deny) == 0 with input as bare with data.interdict.contracts as {"bank": {"required": false}}
	count(contracts.deny) == 0 with input as bare with data.interdict.contracts as {"shop": {"required": true}}
	list := object.union(bare, {"mcp": {"method": "tools/list"}})
	count(contracts.deny) == 0 with input as list with data.interdict.contracts as required
}

# === effects ===

by_roles(effects, roles) := {reason.code |
	some reason in contracts.deny with input as object.union(call({"effects": effects}, {}), {"agent": {"roles": ["clerk", "boss"]}})
		with data.interdict.roles as roles
}

clerk := {"tools": {"bank": ["act"]}, "effects": ["read", "send"]}

test_effects_beyond_those_of_the_role if {
	by_roles(["read"], {"clerk": clerk}) == set()
	by_roles(["send", "read"], {"clerk": clerk}) == set()
	by_roles(["read", "pay"], {"clerk": clerk}) == {"contract_effects"}
	by_roles(["pay"], {"clerk": {"tools": {"*": ["a*"]}, "effects": []}}) == {"contract_effects"}
}

test_another_role_that_grants_the_tool_may_have_the_effects if {
	by_roles(["pay"], {"clerk": clerk, "boss": {"tools": {"*": ["*"]}}}) == set()
	by_roles(["pay"], {"clerk": clerk, "boss": {"tools": {"*": ["*"]}, "effects": ["pay"]}}) == set()
	by_roles(["pay"], {"clerk": clerk, "boss": {"tools": {"*": ["*"]}, "effects": ["send"]}}) == {"contract_effects"}
	by_roles(["pay"], {"clerk": clerk, "boss": {"tools": {"bank": ["other"]}}}) == {"contract_effects"}
}

test_roles_that_say_nothing_of_effects_are_silent if {
	by_roles(["pay"], {"clerk": {"tools": {"bank": ["act"]}}}) == set()
	by_roles(["pay"], {}) == set()
}

# === value ===

value(more) := {"effects": ["pay"], "value": object.union({"path": ["amount"], "ask_above": 1000, "max": 5000}, more)}

test_amounts if {
	silent(value({}), {"amount": 1000})
	asked(value({}), {"amount": 1001}) == {"contract_value_ask"}
	denied(value({}), {"amount": 5000}) == set()
	denied(value({}), {"amount": 5001}) == {"contract_value_max"}
	denied(value({}), {"amount": 0}) == set()
}

test_amounts_in_the_main_unit if {
	cents := value({"minor_units": 2})
	silent(cents, {"amount": 10})
	silent(cents, {"amount": 9.99})
	silent(cents, {"amount": 1.15})
	asked(cents, {"amount": 10.01}) == {"contract_value_ask"}
	denied(cents, {"amount": 50}) == set()
	denied(cents, {"amount": 50.01}) == {"contract_value_max"}
	denied(cents, {"amount": 0.001}) == {"contract_value_form"}
}

test_amounts_that_cannot_be_compared if {
	every other in ["5", "1e9", null, true, [5], {"value": 5}, -1, 0.5, 9007199254740992, 1e300] {
		denied(value({}), {"amount": other}) == {"contract_value_form"}
	}
	denied(value({}), {}) == {"contract_value_missing"}
	silent(value({"optional": true}), {})
	denied(value({"optional": true}), {"amount": null}) == {"contract_value_form"}
}

test_amounts_of_a_list_are_added_up if {
	list := {"effects": ["pay"], "value": {"path": ["items", "*", "amount"], "max": 100}}
	silent(list, {"items": [{"amount": 50}, {"amount": 50}]})
	denied(list, {"items": [{"amount": 50}, {"amount": 51}]}) == {"contract_value_max"}
	denied(list, {"items": [{"amount": 50}, {}]}) == {"contract_value_missing"}
	denied(list, {"items": "[{\"amount\": 5000}]"}) == {"contract_value_form"}
}

test_the_currency_is_that_of_the_contract if {
	euros := value({"currency": "EUR", "currency_path": ["currency"]})
	silent(euros, {"amount": 5, "currency": "EUR"})
	every other in ["USD", "eur", "EUR ", null, ["EUR"]] {
		denied(euros, {"amount": 5, "currency": other}) == {"contract_value_currency"}
	}
	denied(euros, {"amount": 5}) == {"contract_value_currency"}
	silent(object.union(euros, {"value": {"optional": true}}), {})
	silent(value({"currency": "EUR"}), {"amount": 5})
}

# === recipients ===

recipients := {"effects": ["send"], "recipients": {"paths": [["to"], ["cc", "*"]], "ask_above": 1, "max": 3}}

test_recipients_are_counted_over_all_paths if {
	silent(recipients, {"to": "a@example.com"})
	asked(recipients, {"to": "a@example.com", "cc": ["b@example.com"]}) == {"contract_recipients_ask"}
	denied(recipients, {"to": "a", "cc": ["b", "c"]}) == set()
	denied(recipients, {"to": "a", "cc": ["b", "c", 4]}) == {"contract_recipients_max"}
}

test_recipients_that_cannot_be_counted if {
	every other in [
		"a@example.com, b@example.com", "a;b", "a\nb", "", null, ["a"], {"a": 1}, true,
		"a@example.com b@example.com", "<a@example.com><b@example.com>", "a@example.com|b＠example.com", "a，b", "a\u2028b", "a、b",
		"a\u037eb", "a\u061bb", "a﹐b", "a﹔b", "a､b", "a@example.com b﹫example.com",
	] {
		denied(recipients, {"to": other}) == {"contract_recipients_form"}
	}
	every one in ["a@example.com", "Ann Lee <a@example.com>", "@channel", "a@", "U02AB7", "+31612345678", "Ünal"] {
		silent(recipients, {"to": one})
	}
	denied(recipients, {"cc": "a"}) == {"contract_recipients_form"}
	denied(recipients, {"cc": []}) == {"contract_recipients_form"}
	denied(recipients, {}) == {"contract_recipients_missing"}
	silent(object.union(recipients, {"recipients": {"optional": true}}), {})
}

# === cardinality ===

some_of(more) := {"effects": ["delete"], "cardinality": object.union({"unbounded": "deny"}, more)}

ids := some_of({"paths": [["id"], ["ids", "*"]], "ask_above": 2, "max": 4})

filters := some_of({"filters": [["where"], ["tags", "*"]]})

test_things_are_counted if {
	silent(ids, {"id": "a"})
	silent(ids, {"id": 7, "ids": ["a"]})
	asked(ids, {"ids": ["a", "b", "c"]}) == {"contract_cardinality_ask"}
	denied(ids, {"ids": ["a", "b", "c", "d"]}) == set()
	denied(ids, {"id": "e", "ids": ["a", "b", "c", "d"]}) == {"contract_cardinality_max"}
}

test_what_nothing_bounds if {
	denied(ids, {}) == {"contract_unbounded"}
	denied(filters, {}) == {"contract_unbounded"}
	every loose in [null, "", " ", "\u00a0", "*", "a*", "%", "x%", "?", "all", "ANY", "true", "1 = 1", "/", ".", "..", "../..", "./", "~", "~/", "c:\\", "//", "\tall", "\u3000all\u200b", "/\t", "\u00a0/", "C:", "file:///", "/ /"] {
		denied(ids, {"id": loose}) == {"contract_unbounded"}
		denied(filters, {"where": loose}) == {"contract_unbounded"}
		denied(filters, {"where": {"name": loose}}) == {"contract_unbounded"}
		denied(filters, {"where": ["x", loose]}) == {"contract_unbounded"}
		denied(filters, {"where": "x", "tags": ["y", loose]}) == {"contract_unbounded"}
	}
	every loose in [{}, [], true] {
		denied(filters, {"where": loose}) == {"contract_unbounded"}
	}
	asked(some_of({"filters": [["where"]], "unbounded": "ask"}), {"where": "*"}) == {"contract_unbounded"}
	denied(some_of({"filters": [["where"]], "unbounded": "ask"}), {"where": "*"}) == set()
}

test_conditions_that_choose_something if {
	every condition in ["name = 'x'", {"name": "x"}, ["x"], 5, "allow"] {
		silent(filters, {"where": condition})
	}
}

test_things_that_cannot_be_counted if {
	every other in [["a"], {"a": 1}, {}, [], true] {
		"contract_cardinality_form" in denied(ids, {"id": other})
	}
	every other in [[], "a", {"0": "a"}] {
		"contract_cardinality_form" in denied(ids, {"ids": other})
		"contract_cardinality_form" in denied(filters, {"where": "x", "tags": other})
	}
}

# === destinations ===

test_destinations_have_the_strict_form_of_their_topic if {
	check := {"effects": ["send"], "destinations": [{"path": ["url"], "kind": "url"}, {"path": ["host"], "kind": "host", "optional": true}]}
	silent(check, {"url": "https://example.com/x", "host": "example.com"})
	every tricky in [
		"https://user@example.com/", "https://[::1]/", "https://example.com%2eevil.com/", "https://exаmple.com/",
		"https://example.com./", "http://example.com/",
	] {
		denied(check, {"url": tricky}) == {"destination_form"}
	}
	denied(check, {"url": "https://examp1e.com/"}) == {"destination_host"}
	denied(check, {"url": "https://example.com", "host": "169.254.169.254"}) == {"destination_host"}
	denied(check, {}) == {"destination_missing"}
}

# === depth of paths ===

depth := {"effects": ["delete"], "path_depth": {"path": ["path"], "min": 2}}

test_paths_deep_enough if {
	every path in ["/a/b", "a/b", "/a/b/", "a/b/c.txt", "/a b/.hidden", "/a/..b", "/home/é"] {
		silent(depth, {"path": path})
	}
	every path in ["/a", "a", "a/"] {
		denied(depth, {"path": path}) == {"contract_path_depth"}
	}
}

test_paths_that_are_not_plain if {
	every path in [
		"", "/", "//a/b", "/a//b", "/a/../b", "..", "a/.", "./a/b", "/a/.. /b", "/a/...", "a\\b", "/a/%2e%2e/b", "/a/*", "/a/b?",
		"~/a", "/a\u0000/b", "/a/b\n", 5, null, ["a/b"],
	] {
		denied(depth, {"path": path}) == {"contract_path_form"}
	}
	denied(depth, {}) == {"contract_path_missing"}
	silent(object.union(depth, {"path_depth": {"optional": true}}), {})
}

# === over calls ===

paid := {"effects": ["pay"], "value": {
	"path": ["amount"],
	"totals": [{"window": "24h", "ask_above": 80, "max": 100}, {"window": "7d", "per": ["to"], "max": 60}],
}}

standing(contract, arguments, totals) := object.union(call(contract, arguments), {"totals": totals})

codes_with(contract, arguments, totals) := {reason.code |
	some reason in contracts.deny | contracts.intercept with input as standing(contract, arguments, totals)
}

adds(contract, arguments) := {[one.counter, one.window] |
	some one in contracts.obligation with input as call(contract, arguments)
	one.type == "consume"
}

test_what_a_call_adds if {
	adds(paid, {"amount": 5, "to": "x"}) == {["value", "24h"], ["payee", "7d"]}
	adds(paid, {"amount": 0, "to": "x"}) == set()
	adds(paid, {"amount": 5}) == {["value", "24h"]}
	some one in contracts.obligation with input as call(paid, {"amount": 5, "to": "x"})
	one == {"type": "consume", "counter": "payee", "window": "7d", "amount": 5, "of": "x"}
}

test_amounts_over_calls if {
	day := counter_of("value", "24h")
	codes_with(paid, {"amount": 20, "to": "x"}, [object.union(day, {"before": 60})]) == set()
	codes_with(paid, {"amount": 20, "to": "x"}, [object.union(day, {"before": 61})]) == {"contract_value_total_ask"}
	codes_with(paid, {"amount": 20, "to": "x"}, [object.union(day, {"before": 81})]) == {
		"contract_value_total", "contract_value_total_ask",
	}
	codes_with(paid, {"amount": 61, "to": "x"}, []) == {"contract_payee_total"}
	codes_with(paid, {"amount": 20, "to": "x"}, [object.union(counter_of("payee", "7d"), {"before": 41})]) == {"contract_payee_total"}
	codes_with(paid, {"amount": 20}, []) == {"contract_value_payee"}
	codes_with(paid, {"amount": 20, "to": ["x"]}, []) == {"contract_value_payee"}
}

counter_of(counter, window) := {"counter": counter, "window": window}

test_amounts_for_a_payee_and_things_that_a_person_is_asked_about if {
	asking := {"effects": ["pay"], "value": {"path": ["amount"], "totals": [{"window": "1h", "per": ["to"], "ask_above": 5}]}}
	codes_with(asking, {"amount": 6, "to": 7}, []) == {"contract_payee_total_ask"}
	codes_with(asking, {"amount": 5, "to": 7}, []) == set()
	many := {"effects": ["delete"], "cardinality": {"paths": [["ids", "*"]], "unbounded": "deny", "totals": [{"window": "1h", "ask_above": 1}]}}
	codes_with(many, {"ids": ["a", "b"]}, []) == {"contract_cardinality_total_ask"}
}

test_more_things_than_can_be_told_apart_in_one_call if {
	many := {"effects": ["delete"], "cardinality": {"paths": [["ids", "*"]], "unbounded": "deny", "totals": [{"window": "1h", "max": 20000}]}}
	codes_with(many, {"ids": numbers.range(1, 10001)}, []) == {"contract_cardinality_total"}
}

test_more_recipients_than_can_be_told_apart_in_one_call if {
	sent := {"effects": ["send"], "recipients": {"paths": [["ids", "*"]], "totals": [{"window": "1h", "max": 20000}]}}
	codes_with(sent, {"ids": numbers.range(1, 10001)}, []) == {"contract_recipients_total"}
	adds(sent, {"ids": numbers.range(1, 10001)}) == set()
}

test_distinct_things_over_calls if {
	sent := {"effects": ["send"], "recipients": {"paths": [["to", "*"]], "totals": [{"window": "1h", "ask_above": 2, "max": 3}]}}
	hour := counter_of("recipients", "1h")
	codes_with(sent, {"to": ["a", "b", "a"]}, []) == set()
	codes_with(sent, {"to": ["a"]}, [object.union(hour, {"before": 3, "new": 0})]) == {"contract_recipients_total_ask"}
	codes_with(sent, {"to": ["a"]}, [object.union(hour, {"before": 3, "new": 1})]) == {
		"contract_recipients_total", "contract_recipients_total_ask",
	}
	removed := {"effects": ["delete"], "cardinality": {"paths": [["id"]], "unbounded": "deny", "totals": [{"window": "1d", "max": 50}]}}
	day := counter_of("cardinality", "1d")
	codes_with(removed, {"id": 5}, [object.union(day, {"before": 49, "new": 1})]) == set()
	codes_with(removed, {"id": 5}, [object.union(day, {"before": 50, "new": 1})]) == {"contract_cardinality_total"}
	codes_with(removed, {"id": 5}, [object.union(day, {"before": 50, "new": 0})]) == set()
	adds(removed, {"id": 5}) == {["cardinality", "1d"]}
	adds(sent, {"to": ["a"]}) == {["recipients", "1h"]}
}

# === answers ===

test_obligations_for_the_answer if {
	contract := {"effects": ["read"], "rows": {"path": ["rows"], "max": 5, "over": "cut"}, "output": {"undeclared": "drop"}}
	found := contracts.obligation with input as call(contract, {})
	found == {
		{"type": "cap_rows", "path": ["rows"], "max": 5, "over": "cut"},
		{"type": "undeclared_output", "action": "drop"},
	}
}

# === data ===

test_data_with_a_mistake_is_found_at_load if {
	every declared in [{}, {"required": "yes"}, {"require": true}, true] {
		count(contracts.mistake) == 1 with data.interdict.contracts as {"bank": declared}
	}
	every effects in ["read", ["reed"], [5], null] {
		count(contracts.mistake) == 1 with data.interdict.roles as {"clerk": {"effects": effects}}
	}
	count(contracts.mistake) == 0 with data.interdict.contracts as {"bank": {"required": true}}
		with data.interdict.roles as {"clerk": {"effects": []}, "boss": {"tools": {}}}
}

test_numbers_that_are_rounded_when_they_are_written_are_not_counted_over_calls if {
	many := {"effects": ["delete"], "cardinality": {"paths": [["ids", "*"]], "unbounded": "deny", "totals": [{"window": "1h", "max": 3}]}}
	every id in [9007199254740992, -9007199254740993, 18446744073709551617, 1e22] {
		codes_with(many, {"ids": [id]}, []) == {"contract_cardinality_total"}
		adds(many, {"ids": [id]}) == set()
		codes_with(paid, {"amount": 5, "to": id}, []) == {"contract_value_payee"}
	}
	every id in [9007199254740991, -9007199254740991, "18446744073709551617", 0.5] {
		codes_with(many, {"ids": [id]}, []) == set()
		adds(many, {"ids": [id]}) == {["cardinality", "1h"]}
	}
	sent := {"effects": ["send"], "recipients": {"paths": [["to", "*"]], "totals": [{"window": "1h", "max": 3}]}}
	codes_with(sent, {"to": [18446744073709551617]}, []) == {"contract_recipients_total"}
	adds(sent, {"to": [18446744073709551617]}) == set()
}
