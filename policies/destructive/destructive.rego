# Operations that destroy: tools that are declared so, and SQL-like verbs in the arguments of tools that take SQL.
package interdict.policy.destructive

# One lookup: a tool that is not declared costs nothing more.
declared := data.interdict.destructive[input.server.id][input.mcp.tool]

deny contains reasons[name] if {
	declared
	some name, "deny" in found
}

intercept contains reasons[name] if {
	declared
	some name, "ask" in found
}

# What was found, and what is to happen then.
found.tool := declared.action

found.sql := declared.sql if {
	declared.sql
	some text in texts
	regex.match(verbs, text)
}

# Every string of the arguments, member names too, however deep.
texts := {text | walk(input.mcp.arguments, [_, text]); is_string(text)} | {name |
	walk(input.mcp.arguments, [path, _])
	some name in path
	is_string(name)
}

# A whole word, also behind the version of a MySQL comment that is executed (`/*!50000DROP*/`) or a written-out escape
# (`\n`, `\u0020`): many servers parse text that is JSON. No encoder escapes letters, so an escaped one (`\u0044ROP`) hides
# a word and counts as found. Decoding the text instead would see only what both parsers take for JSON.
#
# Letters of other alphabets end a word: `\b` would mean ASCII to one implementation of Rego and Unicode to another.
verbs := `(?i)(?:^|[^a-z_]|\\[bfnrt]|\\u[0-9a-f]{4})(?:delete|drop|truncate|purge)(?:[^a-z0-9_]|$)|\\(?:u00|x)(?:[46][1-9a-f]|[57][0-9a])`

reasons := {
	"tool": {"code": "destructive_tool", "message": "The tool destroys what it is called on."},
	"sql": {"code": "destructive_sql", "message": "The arguments hold a statement that destroys data."},
}

# Checked once, when the bundle is loaded.
mistake contains {"code": "destructive", "message": sprintf("The declaration of tool `%v` of server `%v` is wrong.", [tool, server])} if {
	some server, tools in data.interdict.destructive
	some tool, declaration in tools
	not well_formed(declaration)
}

well_formed(declaration) if {
	object.keys(declaration) - {"action", "sql"} == set()
	count(object.keys(declaration)) > 0
	every _, what in declaration {
		what in {"ask", "deny"}
	}
}
