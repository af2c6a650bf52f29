# Business hours: outside of them a person approves, or the call is refused.
package interdict.policy.hours

# One lookup: a server without hours costs nothing more.
hours := data.interdict.hours[input.server.id]

deny contains reasons.outside if {
	hours.outside == "deny"
	concerned
	not inside
}

intercept contains reasons.outside if {
	hours.outside == "ask"
	concerned
	not inside
}

# Calls of tools only: lists and sessions work at all hours.
concerned if {
	input.mcp.method == "tools/call"
	not hours.tools
}

concerned if {
	input.mcp.method == "tools/call"
	input.mcp.tool in hours.tools
}

# Both in the time zone of the hours. `to` is the first minute outside.
inside if {
	time.weekday([now_ns, hours.time_zone]) in hours.days
	[hour, minute, _] := time.clock([now_ns, hours.time_zone])
	now := (hour * 100) + minute
	now >= digits(hours.from)
	now < digits(hours.to)
}

now_ns := input.time.unix_ms * 1000000

# "08:30" as 830. "0830" is no number in JSON, "10830" is.
digits(text) := to_number(concat("", ["1", replace(text, ":", "")])) - 10000

# Checked once, when the bundle is loaded.
mistake contains {"code": "hours", "message": sprintf("The hours of server `%v` are wrong.", [server])} if {
	some server, declared in data.interdict.hours
	not well_formed(declared)
}

well_formed(declared) if {
	object.keys(declared) - {"time_zone", "days", "from", "to", "outside", "tools"} == set()
	declared.outside in {"ask", "deny"}
	is_string(declared.time_zone)
	is_string(time.weekday([0, declared.time_zone]))
	count(declared.days) > 0
	every day in declared.days {
		day in weekdays
	}
	regex.match(clock, declared.from)
	regex.match(clock, declared.to)
	digits(declared.from) < digits(declared.to)
	is_array(object.get(declared, "tools", []))
}

clock := `^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`

weekdays := {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

reasons := {"outside": {"code": "outside_hours", "message": "Outside of the hours of this server."}}
