# Reading values out of a call's arguments by path.
package interdict.lib.arguments

# The values at a path: an array with one element, or, when the path has "*" (the elements of an array, once), one
# per element.
#
# A member that is not there is an empty set. What is there but has another shape than the path says (a list or text
# where an object is expected, anything but a list with elements for "*") is `misshapen`: a server may read it all the
# same. No JSON value is a set, so neither is mistaken for null or for "nothing to check".
at(path) := [value] if {
	not "*" in path
	is_object(input.mcp.arguments)
	value := object.get(input.mcp.arguments, path, set())
	value != set()
} else := [value] if {
	not "*" in path
	value := look(input.mcp.arguments, path)
} else := values if {
	[index] := [i | some i, "*" in path]
	before := array.slice(path, 0, index)
	after := array.slice(path, index + 1, count(path))
	values := each(look(input.mcp.arguments, before), after)
} else := [set()]

misshapen := {"misshapen"}

# Whether a value of at() is a missing one.
missing(value) if value == set()

# The values at the path below each element of a list.
each(list, path) := [look(element, path) | some element in list] if {
	is_array(list)
	list != []
} else := [set()] if {
	missing(list)
} else := [misshapen]

# The value at a path of member names.
look(value, path) := value if {
	path == []
} else := misshapen if {
	not is_object(value)
} else := found if {
	found := object.get(value, path, set())
	found != set()
} else := misshapen if {
	count(path) > 1
	astray(value, path)
} else := set()

# Whether a value on the way is no object.
astray(value, path) if {
	some index, _ in path
	index > 0
	on_the_way := object.get(value, array.slice(path, 0, index), set())
	on_the_way != set()
	not is_object(on_the_way)
}

# Whether data names a path: member names, and "*" at most once. For `mistake` rules.
is_path(path) if {
	is_array(path)
	path != []
	count([part | some part in path; is_string(part)]) == count(path)
	count([part | some part in path; part == "*"]) < 2
}
