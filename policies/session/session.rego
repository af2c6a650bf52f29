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
	granted_uri(input.mcp.uri)
}

granted_uri(uri) if {
	some role in input.agent.roles
	some server in [input.server.id, "*"]
	within(data.interdict.roles[role].resources[server], uri)
}

# What the agent could not read or ask about, it cannot listen to.
allow contains reasons.session if {
	input.mcp.method == "subscriptions/listen"
	has_role
	not beyond_grants
}

beyond_grants if {
	some uri in input.mcp.uris
	not granted_uri(uri)
}

beyond_grants if {
	input.mcp.task_ids
	not granted_method("tasks/get")
}

# Methods that a role must name. A server that cannot tell agents apart (it sees one credential) cannot keep their tasks
# apart either: whoever may use these methods may see and end the tasks of others there.
allow contains reasons.granted if {
	input.mcp.method in {
		"completion/complete", "tasks/cancel", "tasks/get", "tasks/list", "tasks/result", "tasks/update",
	}
	granted_method(input.mcp.method)
}

granted_method(method) if {
	some role in input.agent.roles
	method in data.interdict.roles[role].methods
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
