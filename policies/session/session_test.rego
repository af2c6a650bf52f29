package interdict.policy.session_test

import data.interdict.policy.session

roles := {"reader": {
	"prompts": {"files": ["review", "sum*"]},
	"resources": {"files": ["file:///public/"]},
	"methods": ["completion/complete", "tools/call"],
}}

message(role, mcp) := {"agent": {"roles": [role]}, "server": {"id": "files"}, "mcp": mcp}

allowed(role, mcp) if {
	count(session.allow) > 0 with input as message(role, mcp) with data.interdict.roles as roles
}

request(method) := {"kind": "request", "method": method}

test_session_methods_are_allowed_to_an_agent_with_a_role if {
	every method in session.session_methods {
		allowed("reader", request(method))
	}
}

test_session_methods_are_refused_without_a_role if {
	every method in session.session_methods {
		not allowed("nobody", request(method))
	}
}

test_streams_and_responses_are_allowed if {
	every kind in ["response", "open_stream", "end_session"] {
		allowed("reader", {"kind": kind})
		not allowed("nobody", {"kind": kind})
	}
}

test_notifications_are_allowed if {
	allowed("reader", {"kind": "notification", "method": "notifications/initialized"})
	not allowed("nobody", {"kind": "notification", "method": "notifications/initialized"})
	not allowed("reader", {"kind": "notification", "method": "tools/call"})
}

prompt(name) := {"kind": "request", "method": "prompts/get", "name": name, "arguments": {}}

test_prompts_by_role if {
	allowed("reader", prompt("review"))
	allowed("reader", prompt("summary"))
	not allowed("reader", prompt("delete"))
	not allowed("nobody", prompt("review"))
}

resource(uri) := {"kind": "request", "method": "resources/read", "uri": uri}

test_resources_by_prefix if {
	allowed("reader", resource("file:///public/a.txt"))
	not allowed("reader", resource("file:///private/a.txt"))
	not allowed("nobody", resource("file:///public/a.txt"))
}

test_a_resource_that_climbs_is_refused if {
	not allowed("reader", resource("file:///public/../private/a.txt"))
	not allowed("reader", resource("file:///public/%2e%2e/private/a.txt"))
	not allowed("reader", resource("file:///public/..\\private"))
}

test_completion_only_when_the_role_says_so if {
	allowed("reader", request("completion/complete"))
	not allowed("nobody", request("completion/complete"))
}

test_tools_are_not_this_topic if not allowed("reader", request("tools/call"))
