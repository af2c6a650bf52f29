# Which tools an agent may call: the allow-list by role. Without data for one of the agent's roles nothing is allowed.
package interdict.policy.tools

allow contains {"code": "granted", "message": "A role of the agent grants this tool."} if {
	input.mcp.method == "tools/call"
	roles := data.interdict.roles
	some role in input.agent.roles
	some server in [input.server.id, "*"]
	patterns := roles[role].tools[server]
	matches(patterns, input.mcp.tool)
}

# A name of the list, or a pattern of it that ends with "*" and begins the name. Names are compared exactly.
matches(patterns, name) if {
	name in patterns
} else if {
	some pattern in patterns
	endswith(pattern, "*")
	startswith(name, trim_suffix(pattern, "*"))
}
