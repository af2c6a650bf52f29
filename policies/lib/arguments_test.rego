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
	at(["a", "b"], {"a": 5}) == [set()]
	arguments.missing(set())
	not arguments.missing(null)
	not arguments.missing([])
}

test_a_star_is_every_element if {
	at(["a", "*"], {"a": [1, 2]}) == [1, 2]
	at(["a", "*", "b"], {"a": [{"b": 1}, {}]}) == [1, set()]
	at(["*"], [1]) == [1]
	at(["a", "*"], {"a": []}) == [set()]
	at(["a", "*"], {"a": {"x": 1}}) == [set()]
}
