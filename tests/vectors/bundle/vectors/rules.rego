# Rules that only the decision vectors need: an obligation, an error, and questions about messages that nobody can wait for.
package interdict.policy.vectors

obligation contains {"type": "set_request_header", "name": "x-agent", "value": input.agent.id} if {
	input.mcp.tool == "tagged"
}

obligation contains {"type": "set_request_header", "name": "x-class", "value": class} if {
	input.mcp.tool == "conflict"
	some class in ["one", "two"]
}

# A number is not a string: the rule fails, and so does the call.
deny contains {"code": "unreachable", "message": "Never said."} if {
	input.mcp.tool == "broken"
	startswith(input.mcp.arguments.n, "x")
}

intercept contains ask if input.mcp.method == "resources/list"

intercept contains ask if input.mcp.method == "notifications/roots/list_changed"

intercept contains ask if {
	input.mcp.method == "prompts/get"
	input.mcp.name == "guarded"
}

ask := {"code": "ask", "message": "A person decides here."}
