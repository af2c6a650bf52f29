# Limits of arguments: numbers, lengths, patterns and lists of values, per server, tool and path.
package interdict.policy.limits

import data.interdict.lib.arguments

# One lookup: a tool without limits costs nothing more.
limits := data.interdict.limits[input.server.id][input.mcp.tool]

deny contains reasons[code] if {
	some limit in limits
	some value in arguments.at(limit.path)
	code := violation(limit, value)
}

intercept contains reasons.ask if {
	some limit in limits
	limit.ask_above
	some value in arguments.at(limit.path)
	is_number(value)
	value > limit.ask_above
}

# The first rule of the limit that the value breaks; undefined when it breaks none. A missing value is an empty set;
# a misshapen one is another set, so it has none of the types of a limit.
violation(limit, value) := "missing" if {
	value == set()
	not limit.optional
} else := "type" if {
	value != set()
	type_name(value) != limit.type
} else := code if {
	is_number(value)
	code := number_violation(limit, value)
} else := code if {
	is_string(value)
	code := string_violation(limit, value)
} else := "value" if {
	limit.one_of
	value != set()
	not value in limit.one_of
}

number_violation(limit, value) := "maximum" if {
	value > limit.max
} else := "minimum" if {
	value < limit.min
} else := "integer" if {
	limit.integer
	floor(value) != value
}

string_violation(limit, value) := "length" if {
	count(value) > limit.max_length
} else := "pattern" if {
	limit.pattern
	not regex.match(limit.pattern, value)
}

reasons := {
	"missing": {"code": "limit_missing", "message": "An argument that has a limit is missing."},
	"type": {"code": "limit_type", "message": "An argument that has a limit is of another type."},
	"integer": {"code": "limit_integer", "message": "An argument is not a whole number."},
	"maximum": {"code": "limit_max", "message": "An argument is above its maximum."},
	"minimum": {"code": "limit_min", "message": "An argument is below its minimum."},
	"length": {"code": "limit_length", "message": "An argument is too long."},
	"pattern": {"code": "limit_pattern", "message": "An argument does not have the form that it must have."},
	"value": {"code": "limit_value", "message": "An argument is not one of the values that it may have."},
	"ask": {"code": "limit_ask", "message": "An argument is so large that a person must approve."},
}

# Checked once, when the bundle is loaded: a limit with a mistake in it would limit nothing.
mistake contains {"code": "limit", "message": sprintf("A limit of tool `%v` of server `%v` is wrong.", [tool, server])} if {
	some server, tools in data.interdict.limits
	some tool, list in tools
	some limit in list
	not well_formed(limit)
}

well_formed(limit) if {
	arguments.is_path(limit.path)
	limit.type in {"number", "string", "boolean", "array", "object", "null"}
	object.keys(limit) - known == set()
	every key in object.keys(limit) & {"max", "min", "ask_above"} {
		is_number(limit[key])
		limit.type == "number"
	}
	every key in object.keys(limit) & {"integer", "optional"} {
		is_boolean(limit[key])
	}
	every _ in object.keys(limit) & {"pattern", "max_length"} {
		limit.type == "string"
	}
	regex.is_valid(object.get(limit, "pattern", ""))
	is_number(object.get(limit, "max_length", 0))
	is_array(object.get(limit, "one_of", []))
}

known := {"path", "type", "optional", "integer", "max", "min", "ask_above", "pattern", "max_length", "one_of"}
