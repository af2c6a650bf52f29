package interdict.policy.hours_test

import data.interdict.policy.hours

week := ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]

declared(outside) := {
	"time_zone": "Europe/Berlin",
	"days": week,
	"from": "08:00",
	"to": "18:00",
	"outside": outside,
}

at(when) := {
	"time": {"unix_ms": time.parse_rfc3339_ns(when) / 1000000},
	"server": {"id": "bank"},
	"mcp": {"kind": "request", "method": "tools/call", "tool": "pay"},
}

denied(data_of, request) := {reason.code |
	some reason in hours.deny with input as request with data.interdict.hours.bank as data_of
}

asked(data_of, request) := {reason.code |
	some reason in hours.intercept with input as request with data.interdict.hours.bank as data_of
}

# A Thursday in winter: Berlin is one hour before UTC.
test_inside_is_silent if {
	every when in ["2026-11-19T07:00:00Z", "2026-11-19T12:00:00Z", "2026-11-19T16:59:59Z"] {
		denied(declared("deny"), at(when)) == set()
		asked(declared("ask"), at(when)) == set()
	}
}

test_outside_asks_or_denies if {
	every when in ["2026-11-19T06:59:59Z", "2026-11-19T17:00:00Z", "2026-11-19T23:30:00Z"] {
		denied(declared("deny"), at(when)) == {"outside_hours"}
		asked(declared("deny"), at(when)) == set()
		asked(declared("ask"), at(when)) == {"outside_hours"}
		denied(declared("ask"), at(when)) == set()
	}
}

test_summer_time_counts if {
	denied(declared("deny"), at("2026-07-16T06:00:00Z")) == set()
	denied(declared("deny"), at("2026-07-16T16:00:00Z")) == {"outside_hours"}
}

test_the_day_is_the_day_there if {
	# Sunday 23:30 UTC is Monday 00:30 in Berlin; Friday evening there is still Friday.
	all_day := object.union(declared("deny"), {"from": "00:00", "to": "24:00"})
	denied(all_day, at("2026-11-22T23:30:00Z")) == set()
	denied(all_day, at("2026-11-21T12:00:00Z")) == {"outside_hours"}
	denied(all_day, at("2026-11-20T22:59:59Z")) == set()
	denied(all_day, at("2026-11-20T23:00:00Z")) == {"outside_hours"}
}

test_only_the_named_tools if {
	only := object.union(declared("deny"), {"tools": ["transfer"]})
	denied(only, at("2026-11-21T12:00:00Z")) == set()
	both := object.union(declared("deny"), {"tools": ["transfer", "pay"]})
	denied(both, at("2026-11-21T12:00:00Z")) == {"outside_hours"}
}

test_lists_work_at_all_hours if {
	request := object.union(at("2026-11-21T12:00:00Z"), {"mcp": {"method": "tools/list"}})
	denied(declared("deny"), request) == set()
}

test_hours_with_a_mistake_are_found_at_load if {
	every change in [
		{"from": "8:00"},
		{"to": "25:00"},
		{"from": "18:00", "to": "08:00"},
		{"days": ["Mon"]},
		{"days": []},
		{"outside": "allow"},
		{"zone": "x"},
		{"tools": "pay"},
	] {
		count(hours.mistake) == 1 with data.interdict.hours as {"bank": object.union(declared("deny"), change)}
	}
	count(hours.mistake) == 0 with data.interdict.hours as {"bank": declared("ask")}
}

test_a_server_without_hours_is_silent if {
	count(hours.deny) == 0 with input as at("2026-11-21T12:00:00Z") with data.interdict.hours as {}
	count(hours.intercept) == 0 with input as at("2026-11-21T12:00:00Z") with data.interdict.hours as {}
}
