package interdict.policy.tools_test

import data.interdict.policy.tools

roles := {"reader": {"tools": {"files": ["read_*", "stat"], "*": ["help"]}}, "broken": {"tools": "read"}}

call(role, server, tool) := {
	"agent": {"roles": [role]},
	"server": {"id": server},
	"mcp": {"kind": "request", "method": "tools/call", "tool": tool, "arguments": {}},
}

allowed(role, server, tool) if {
	count(tools.allow) == 1 with input as call(role, server, tool) with data.interdict.roles as roles
}

test_a_named_tool_is_allowed if allowed("reader", "files", "stat")

test_a_pattern_allows_what_it_begins if allowed("reader", "files", "read_file")

test_a_star_server_is_every_server if {
	allowed("reader", "files", "help")
	allowed("reader", "other", "help")
}

test_another_tool_is_not_allowed if not allowed("reader", "files", "write_file")

test_names_are_compared_exactly if {
	not allowed("reader", "files", "STAT")
	not allowed("reader", "files", "stat ")
	not allowed("reader", "files", "my_read_file")
}

test_another_server_is_not_allowed if not allowed("reader", "mail", "stat")

test_an_unknown_role_is_not_allowed if not allowed("writer", "files", "stat")

test_without_data_nothing_is_allowed if {
	count(tools.allow) == 0 with input as call("reader", "files", "stat") with data.interdict.roles as {}
}

test_other_methods_are_not_this_topic if {
	request := json_with_method("tools/list")
	count(tools.allow) == 0 with input as request with data.interdict.roles as roles
}

json_with_method(method) := object.union(call("reader", "files", "stat"), {"mcp": {"method": method}})
