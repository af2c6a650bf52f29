package interdict.policy.limits_test

import data.interdict.policy.limits

amount := {"path": ["amount"], "type": "number", "integer": true, "min": 1, "max": 100, "ask_above": 50}

currency := {"path": ["currency"], "type": "string", "one_of": ["EUR", "USD"]}

iban := {"path": ["to", "iban"], "type": "string", "pattern": "^[A-Z]{2}[0-9]{4,10}$", "max_length": 8}

note := {"path": ["note"], "type": "string", "max_length": 3, "optional": true}

each := {"path": ["parts", "*", "n"], "type": "number", "max": 9}

call(arguments) := {
	"server": {"id": "bank"},
	"mcp": {"kind": "request", "method": "tools/call", "tool": "pay", "arguments": arguments},
}

denied(declared, arguments) := {reason.code |
	some reason in limits.deny with input as call(arguments) with data.interdict.limits.bank.pay as declared
}

asked(declared, arguments) := {reason.code |
	some reason in limits.intercept with input as call(arguments) with data.interdict.limits.bank.pay as declared
}

test_within_all_limits if {
	arguments := {"amount": 50, "currency": "EUR", "to": {"iban": "DE12345"}}
	denied([amount, currency, iban, note], arguments) == set()
	asked([amount, currency, iban, note], arguments) == set()
}

test_above_the_soft_ceiling_asks if {
	asked([amount], {"amount": 51}) == {"limit_ask"}
	denied([amount], {"amount": 51}) == set()
}

test_above_the_hard_ceiling_denies if denied([amount], {"amount": 101}) == {"limit_max"}

test_the_ceiling_itself_is_allowed if denied([amount], {"amount": 100}) == set()

test_below_the_minimum_denies if denied([amount], {"amount": -5}) == {"limit_min"}

test_a_fraction_denies_where_whole_numbers_are_wanted if {
	denied([amount], {"amount": 1.5}) == {"limit_integer"}
	denied([amount], {"amount": 2.0}) == set()
}

test_a_missing_argument_denies if denied([amount], {}) == {"limit_missing"}

test_arguments_that_are_no_object_deny if denied([amount], "amount") == {"limit_type"}

test_null_is_not_missing_but_of_another_type if denied([amount], {"amount": null}) == {"limit_type"}

test_a_number_in_quotes_denies if denied([amount], {"amount": "5"}) == {"limit_type"}

test_a_list_instead_of_a_number_denies if denied([amount], {"amount": [5]}) == {"limit_type"}

test_one_of_the_values if {
	denied([currency], {"currency": "USD"}) == set()
	denied([currency], {"currency": "usd"}) == {"limit_value"}
}

test_a_pattern_and_a_length if {
	denied([iban], {"to": {"iban": "DE1234"}}) == set()
	denied([iban], {"to": {"iban": "de1234"}}) == {"limit_pattern"}
	denied([iban], {"to": {"iban": "DE1234567"}}) == {"limit_length"}
	denied([iban], {"to": {"iban": "DE1234\n"}}) == {"limit_pattern"}
}

test_a_path_through_something_else_is_of_another_type if {
	denied([iban], {"to": "DE1234"}) == {"limit_type"}
	denied([iban], {"to": ["DE1234"]}) == {"limit_type"}
	denied([iban], {"to": {}}) == {"limit_missing"}
}

# A server may parse JSON in text, and look into lists: what the limit cannot read is not absent.
test_another_shape_is_not_missing_for_an_optional_limit if {
	fee := {"path": ["fee", "value"], "type": "number", "max": 1, "ask_above": 0, "optional": true}
	denied([fee], {}) == set()
	denied([fee], {"fee": {}}) == set()
	denied([fee], {"fee": {"value": 1}}) == set()
	every other in ["5", `{"value":5}`, 5, null, true, [], [{"value": 5}], {"value": "5"}, {"value": {}}] {
		denied([fee], {"fee": other}) == {"limit_type"}
	}
	parts := object.union(each, {"optional": true})
	denied([parts], {}) == set()
	denied([parts], {"parts": [{"n": 1}, {}]}) == set()
	every other in ["", `[{"n":99}]`, 99, null, false, [], {}, {"0": {"n": 99}}, {"n": 99}] {
		denied([parts], {"parts": other}) == {"limit_type"}
	}
	every other in [`{"n":99}`, 99, null, [], [{"n": 99}], {"n": [99]}, {"n": "99"}] {
		denied([parts], {"parts": [{"n": 1}, other]}) == {"limit_type"}
	}
}

test_another_shape_has_none_of_the_types if {
	every type in ["number", "string", "boolean", "array", "object", "null"] {
		denied([{"path": ["a", "b"], "type": type, "optional": true}], {"a": "x"}) == {"limit_type"}
	}
}

test_an_optional_argument if {
	denied([note], {}) == set()
	denied([note], {"note": "abc"}) == set()
	denied([note], {"note": "abcd"}) == {"limit_length"}
	denied([note], {"note": 1}) == {"limit_type"}
}

test_every_element_of_a_list if {
	denied([each], {"parts": [{"n": 1}, {"n": 9}]}) == set()
	denied([each], {"parts": [{"n": 1}, {"n": 10}]}) == {"limit_max"}
	denied([each], {"parts": [{"n": 1}, {}]}) == {"limit_missing"}
	denied([each], {"parts": [{"n": 1}, 5]}) == {"limit_type"}
	denied([each], {"parts": []}) == {"limit_type"}
	denied([each], {"parts": {"n": 1}}) == {"limit_type"}
	denied([each], {}) == {"limit_missing"}
}

test_a_limit_with_a_mistake_is_found_at_load if {
	every limit in [
		{"path": ["amount"], "type": "number", "maximum": 5},
		{"path": ["amount"], "type": "number", "max": "5"},
		{"path": ["amount"], "type": "float"},
		{"path": [], "type": "number"},
		{"path": ["a", 0], "type": "number"},
		{"path": ["a", "*", "b", "*"], "type": "number"},
		{"path": "amount", "type": "number"},
		{"type": "number"},
		{"path": ["amount"], "type": "string", "max": 5},
		{"path": ["amount"], "type": "string", "pattern": "("},
		{"path": ["amount"], "type": "number", "pattern": "x"},
		{"path": ["amount"], "type": "number", "optional": "yes"},
	] {
		count(limits.mistake) == 1 with data.interdict.limits as {"bank": {"pay": [limit]}}
	}
}

test_limits_without_a_mistake_pass if {
	count(limits.mistake) == 0 with data.interdict.limits as {"bank": {"pay": [amount, currency, iban, note, each]}}
}

test_a_tool_without_limits_is_silent if {
	count(limits.deny) == 0 with input as call({"amount": 1e9}) with data.interdict.limits as {"bank": {}}
	count(limits.intercept) == 0 with input as call({"amount": 1e9}) with data.interdict.limits as {}
}
