# Reading values out of a call's arguments by path.
package interdict.lib.arguments

# The values at a path: an array with one element, or, when the path has "*" (the elements of an array, once), one
# per element. A value that is not there is an empty set, which no JSON value can be, so that "missing" is never
# mistaken for null or for "nothing to check".
at(path) := [object.get(input.mcp.arguments, path, set())] if {
	not "*" in path
	is_object(input.mcp.arguments)
} else := values if {
	"*" in path
	[index] := [i | some i, "*" in path]
	before := array.slice(path, 0, index)
	after := array.slice(path, index + 1, count(path))
	values := each(pick(input.mcp.arguments, before), after)
} else := [set()]

# Whether a value of at() is a missing one.
missing(value) if is_set(value)

# The elements of an array; anything else, and an empty array, counts as one missing value.
each(list, path) := [pick(element, path) | some element in list] if {
	is_array(list)
	list != []
} else := [set()]

# object.get with a path needs an object at the top.
pick(value, path) := value if {
	path == []
} else := object.get(value, path, set()) if {
	is_object(value)
} else := set()
