# Limits of arguments: numbers, lengths, patterns and lists of values, per server, tool and path.
package interdict.policy.limits

import data.interdict.lib.arguments

# One lookup: a tool without limits costs nothing more.
limits := data.interdict.limits[input.server.id][input.mcp.tool]

deny contains reason if {
	limits
	some reason in violations
}

intercept contains reason if {
	limits
	some reason in soft_violations
}

violations contains reasons.configuration if {
	some limit in limits
	not well_formed(limit)
}

violations contains reasons.missing if {
	some limit in limits
	not limit.optional == true
	some value in arguments.at(limit.path)
	arguments.missing(value)
}

violations contains reasons.type if {
	some limit in limits
	some value in present(limit)
	type_name(value) != limit.type
}

violations contains reasons.integer if {
	some limit in limits
	limit.integer == true
	some value in numbers_of(limit)
	floor(value) != value
}

violations contains reasons.maximum if {
	some limit in limits
	some value in numbers_of(limit)
	value > limit.max
}

violations contains reasons.minimum if {
	some limit in limits
	some value in numbers_of(limit)
	value < limit.min
}

violations contains reasons.length if {
	some limit in limits
	some value in strings_of(limit)
	count(value) > limit.max_length
}

violations contains reasons.pattern if {
	some limit in limits
	some value in strings_of(limit)
	not regex.match(limit.pattern, value)
	limit.pattern
}

violations contains reasons.value if {
	some limit in limits
	limit.one_of
	some value in present(limit)
	not value in limit.one_of
}

soft_violations contains reasons.ask if {
	some limit in limits
	some value in numbers_of(limit)
	value > limit.ask_above
}

present(limit) := [value |
	some value in arguments.at(limit.path)
	not arguments.missing(value)
]

numbers_of(limit) := [value |
	some value in present(limit)
	is_number(value)
]

strings_of(limit) := [value |
	some value in present(limit)
	is_string(value)
]

# A limit with a mistake in it denies, instead of limiting nothing.
well_formed(limit) if {
	is_array(limit.path)
	count(limit.path) > 0
	limit.type in {"number", "string", "boolean", "array", "object", "null"}
	object.keys(limit) - known == set()
	every key in object.keys(limit) & {"max", "min", "ask_above"} {
		is_number(limit[key])
		limit.type == "number"
	}
	every key in object.keys(limit) & {"integer", "optional"} {
		is_boolean(limit[key])
	}
	every key in object.keys(limit) & {"pattern", "max_length"} {
		limit.type == "string"
	}
	is_string(object.get(limit, "pattern", ""))
	is_number(object.get(limit, "max_length", 0))
	is_array(object.get(limit, "one_of", []))
}

known := {"path", "type", "optional", "integer", "max", "min", "ask_above", "pattern", "max_length", "one_of"}

reasons := {
	"configuration": {"code": "limit_configuration", "message": "A limit for this tool is not written correctly."},
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
