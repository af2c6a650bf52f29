# Who may call what: the allow-list by role. Without data for one of the agent's roles nothing is allowed.
package interdict.policy.tools

granted := {"code": "granted", "message": "A role of the agent grants this."}

session := {"code": "session", "message": "Part of every session of an agent with a role."}

# The only rules of the topic: each kind of message is decided by exactly one of them.
allow contains granted if {
	input.mcp.method == "tools/call"
	some role in input.agent.roles
	some server in [input.server.id, "*"]
	matches(data.interdict.roles[role].tools[server], input.mcp.tool)
}

allow contains granted if {
	input.mcp.method == "prompts/get"
	some role in input.agent.roles
	some server in [input.server.id, "*"]
	matches(data.interdict.roles[role].prompts[server], input.mcp.name)
}

allow contains granted if {
	input.mcp.method in {"resources/read", "resources/subscribe", "resources/unsubscribe"}
	some role in input.agent.roles
	some server in [input.server.id, "*"]
	within(data.interdict.roles[role].resources[server], input.mcp.uri)
}

allow contains session if {
	input.mcp.method in session_methods
	has_role
}

allow contains session if {
	input.mcp.kind in {"response", "open_stream", "end_session"}
	has_role
}

allow contains session if {
	input.mcp.kind == "notification"
	startswith(input.mcp.method, "notifications/")
	has_role
}

allow contains granted if {
	not input.mcp.method in {"tools/call", "prompts/get", "resources/read", "resources/subscribe"}
	some role in input.agent.roles
	input.mcp.method in data.interdict.roles[role].methods
}

# What a client needs to work at all, and what only shows names: the lists that a server gives.
session_methods := {
	"initialize",
	"logging/setLevel",
	"ping",
	"prompts/list",
	"resources/list",
	"resources/templates/list",
	"server/discover",
	"subscriptions/listen",
	"tasks/cancel",
	"tasks/get",
	"tasks/list",
	"tasks/result",
	"tasks/update",
	"tools/list",
}

has_role if {
	some role in input.agent.roles
	data.interdict.roles[role]
}

# A name in the list, or a pattern of it that ends with "*" and begins the name. Names are compared exactly.
matches(patterns, name) if name in patterns

matches(patterns, name) if {
	some pattern in patterns
	endswith(pattern, "*")
	startswith(name, trim_suffix(pattern, "*"))
}

# A URI that begins with one of the prefixes. One that climbs, or could be decoded into climbing, is never within.
within(prefixes, uri) if {
	some prefix in prefixes
	startswith(uri, prefix)
	not contains(uri, "..")
	not contains(uri, "%")
	not contains(uri, "\\")
}
