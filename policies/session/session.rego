# Everything but the calls of tools: sessions, lists, prompts, resources. Without data for one of the agent's roles
# nothing is allowed.
package interdict.policy.session

import data.interdict.policy.tools

allow contains reasons.session if {
	input.mcp.method in session_methods
	has_role
}

allow contains reasons.session if {
	input.mcp.kind in {"response", "open_stream", "end_session"}
	has_role
}

allow contains reasons.session if {
	input.mcp.kind == "notification"
	startswith(input.mcp.method, "notifications/")
	has_role
}

allow contains reasons.granted if {
	input.mcp.method == "prompts/get"
	some role in input.agent.roles
	some server in [input.server.id, "*"]
	patterns := data.interdict.roles[role].prompts[server]
	tools.matches(patterns, input.mcp.name)
}

allow contains reasons.granted if {
	input.mcp.method in {"resources/read", "resources/subscribe", "resources/unsubscribe"}
	some role in input.agent.roles
	some server in [input.server.id, "*"]
	within(data.interdict.roles[role].resources[server], input.mcp.uri)
}

allow contains reasons.granted if {
	input.mcp.method in {"completion/complete"}
	some role in input.agent.roles
	input.mcp.method in data.interdict.roles[role].methods
}

# What a client needs to work at all, and the lists, which only show what a server has.
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
	roles := data.interdict.roles
	some role in input.agent.roles
	roles[role]
}

# A URI that begins with one of the prefixes. One that climbs, or could be decoded into climbing, is never within.
within(prefixes, uri) if {
	some prefix in prefixes
	startswith(uri, prefix)
	not contains(uri, "..")
	not contains(uri, "%")
	not contains(uri, "\\")
}

reasons := {
	"session": {"code": "session", "message": "Part of every session of an agent with a role."},
	"granted": {"code": "granted", "message": "A role of the agent grants this."},
}
