# Where data may go: URLs, e-mail addresses and names of hosts in arguments must name a host of the list.
#
# An address is taken apart by one strict form, and whatever does not have it is refused: user names in URLs, IPv6
# literals, names that end with a dot, names that are not ASCII, other schemes, blanks. What is not understood here
# could be understood differently by the server.
package interdict.policy.destinations

import data.interdict.lib.arguments

# One lookup: a tool without destinations costs nothing more.
checks := data.interdict.destinations.tools[input.server.id][input.mcp.tool]

deny contains reasons[code] if {
	some check in checks
	some value in arguments.at(check.path)
	code := violation(check, value)
}

# What is wrong with the value; undefined when nothing is. A missing value is an empty set; a misshapen one is another
# set, which has no host.
violation(check, value) := "missing" if {
	value == set()
	not check.optional == true
} else := code if {
	value != set()
	code := refusal(host_of(check.kind, value))
}

refusal(host) := "form" if {
	host == ""
} else := "host" if {
	not approved(host)
}

# The host of an address, in lower case; empty for what does not have the form.
host_of(kind, value) := lower(host) if {
	kind == "url"
	is_string(value)
	[[_, scheme, host, _]] := regex.find_all_string_submatch_n(url, value, -1)
	lower(scheme) in schemes
	count(host) < 254
} else := lower(host) if {
	kind == "email"
	is_string(value)
	[[_, host]] := regex.find_all_string_submatch_n(email, value, -1)
	count(host) < 254
} else := lower(host) if {
	kind == "host"
	is_string(value)
	[[_, host, _]] := regex.find_all_string_submatch_n(name, value, -1)
	count(host) < 254
} else := ""

# Printable ASCII without blanks, quotes, backslash and "@" in the authority.
url := `^([A-Za-z]+)://([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(:[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]_a-z~]*)?$`

email := `^[A-Za-z0-9._%+-]+@([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+)$`

# The name of a host, with or without port.
name := `^([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(:[0-9]{1,5})?$`

schemes := {scheme | some scheme in data.interdict.destinations.schemes} if {
	data.interdict.destinations.schemes
} else := {"https"}

# The very name, or a name below `*.name`. A name in punycode is approved only when the list has it in full.
approved(host) if host in data.interdict.destinations.hosts

approved(host) if {
	some pattern in data.interdict.destinations.hosts
	startswith(pattern, "*.")
	endswith(host, trim_prefix(pattern, "*"))
	not startswith(host, "xn--")
	not contains(host, ".xn--")
}

# For other topics.
reason(code) := reasons[code]

reasons := {
	"missing": {"code": "destination_missing", "message": "An address that must be checked is missing."},
	"form": {"code": "destination_form", "message": "An address does not have the strict form that can be checked."},
	"host": {"code": "destination_host", "message": "An address leads to a host that is not approved."},
}

# Checked once, when the bundle is loaded.
mistake contains {"code": "destination", "message": sprintf("A destination of tool `%v` of server `%v` is wrong.", [tool, server])} if {
	some server, tools in data.interdict.destinations.tools
	some tool, list in tools
	some check in list
	not well_formed(check)
}

mistake contains {"code": "hosts", "message": "`hosts` of the destinations is a list of lower-case names or `*.name`."} if {
	data.interdict.destinations
	not hosts_well_formed
}

well_formed(check) if {
	arguments.is_path(check.path)
	check.kind in {"url", "email", "host"}
	is_boolean(object.get(check, "optional", false))
	object.keys(check) - {"path", "kind", "optional"} == set()
}

hosts_well_formed if {
	is_array(data.interdict.destinations.hosts)
	every host in data.interdict.destinations.hosts {
		regex.match(`^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$`, host)
	}
}
