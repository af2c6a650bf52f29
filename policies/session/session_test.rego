package interdict.policy.session_test

import data.interdict.policy.session

roles := {"reader": {
	"prompts": {"files": ["review", "sum*"]},
	"resources": {"files": ["file:///public/"]},
	"methods": ["completion/complete", "tools/call"],
}, "worker": {"methods": ["tasks/get", "tasks/result"]}, "guest": {}}

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

listen(members) := object.union({"kind": "request", "method": "subscriptions/listen"}, members)

test_listening_only_to_granted_resources if {
	allowed("reader", listen({}))
	allowed("guest", listen({}))
	not allowed("nobody", listen({}))
	allowed("reader", listen({"uris": ["file:///public/a", "file:///public/b"]}))
	not allowed("reader", listen({"uris": ["file:///secret"]}))
	not allowed("reader", listen({"uris": ["file:///public/a", "file:///secret"]}))
	not allowed("reader", listen({"uris": ["file:///public/../secret"]}))
	not allowed("guest", listen({"uris": ["file:///public/a"]}))
}

test_listening_to_tasks_only_when_the_role_may_get_them if {
	allowed("worker", listen({"task_ids": ["1"]}))
	not allowed("worker", listen({"task_ids": ["1"], "uris": ["file:///public/a"]}))
	not allowed("reader", listen({"task_ids": ["1"]}))
	not allowed("reader", listen({"task_ids": ["1"], "uris": ["file:///public/a"]}))
}

test_tasks_only_when_the_role_names_the_method if {
	every method in ["tasks/cancel", "tasks/get", "tasks/list", "tasks/result", "tasks/update"] {
		not allowed("reader", {"kind": "request", "method": method, "task_ids": ["1"]})
		not allowed("nobody", {"kind": "request", "method": method, "task_ids": ["1"]})
	}
	allowed("worker", {"kind": "request", "method": "tasks/get", "task_ids": ["1"]})
	allowed("worker", {"kind": "request", "method": "tasks/result", "task_ids": ["1"]})
	not allowed("worker", {"kind": "request", "method": "tasks/cancel", "task_ids": ["1"]})
	not allowed("worker", {"kind": "request", "method": "tasks/list"})
}

test_tools_are_not_this_topic if not allowed("reader", request("tools/call"))
