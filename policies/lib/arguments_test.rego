package interdict.lib.arguments_test

import data.interdict.lib.arguments

at(path, document) := values if {
	values := arguments.at(path) with input.mcp.arguments as document
}

test_a_plain_path if {
	at(["a", "b"], {"a": {"b": null}}) == [null]
	at(["a"], {"a": [1]}) == [[1]]
}

test_a_missing_value_is_an_empty_set if {
	at(["a"], {}) == [set()]
	at(["a", "b"], {"a": {}}) == [set()]
	at(["a", "b"], {}) == [set()]
	at(["a", "b", "c"], {"a": {}}) == [set()]
	at(["a", "*"], {}) == [set()]
	at(["a", "b", "*", "c"], {"a": {}}) == [set()]
	arguments.missing(set())
	every other in [arguments.misshapen, null, []] {
		not arguments.missing(other)
	}
}

test_a_star_is_every_element if {
	at(["a", "*"], {"a": [1, 2]}) == [1, 2]
	at(["a", "*", "b"], {"a": [{"b": 1}, {}]}) == [1, set()]
	at(["a", "*", "b", "c"], {"a": [{"b": {"c": null}}, {"b": {}}]}) == [null, set()]
	at(["*"], [1]) == [1]
}

test_another_shape_on_the_way_is_not_missing if {
	misshapen := [arguments.misshapen]
	every other in ["x", `{"b": 1}`, `[{"b": 1}]`, 5, null, true, [], [{"b": 1}], ["b"]] {
		at(["a", "b"], {"a": other}) == misshapen
		at(["a", "b", "c"], {"a": other}) == misshapen
		at(["a", "b", "c"], {"a": {"b": other}}) == misshapen
		at(["a", "b", "*"], {"a": other}) == misshapen
		at(["l", "*", "b"], {"l": [other]}) == misshapen
		at(["l", "*", "b", "c"], {"l": [{"b": other}]}) == misshapen
	}
	every other in ["x", `["x"]`, 5, null, true, [], {}, {"0": "x"}] {
		at(["a", "*"], {"a": other}) == misshapen
		at(["a", "*", "b"], {"a": other}) == misshapen
		at(["a", "b", "*"], {"a": {"b": other}}) == misshapen
	}
	at(["a"], [1]) == misshapen
	at(["a"], "a") == misshapen
}

test_paths_of_data if {
	every path in [["a"], ["a", "*"], ["*"], ["a", "*", "b"]] {
		arguments.is_path(path)
	}
	every path in [[], "a", ["a", 0], ["*", "*"], [["a"]], null] {
		not arguments.is_path(path)
	}
}
