# What was found in the arguments of a call, and what the session is. Which classes are looked for, and what happens to
# each, is `interdict.content` of the data; what is to be redacted is redacted before this is asked.
package interdict.policy.content

deny contains reasons.denied if {
	some finding in input.content.findings
	finding.action == "deny"
}

# There may be more than was found.
deny contains reasons.incomplete if input.content.incomplete

intercept contains reasons.ask if {
	some finding in input.content.findings
	finding.action == "ask"
}

# === distinct values of a session ===

deny contains reasons.accumulated if {
	input.content.accumulated
	some rule in data.interdict.content.accumulate
	rule.action == "deny"
	exceeded(rule)
}

intercept contains reasons.accumulated if {
	input.content.accumulated
	some rule in data.interdict.content.accumulate
	rule.action == "ask"
	exceeded(rule)
}

# This call has a value of the classes, and with it the session has sent more distinct ones, all together, than it may.
exceeded(rule) if {
	adds_to(rule)
	sum([class.distinct | some class in input.content.accumulated; means(rule.classes, class)]) > rule.distinct
}

adds_to(rule) if {
	some finding in input.content.findings
	some class in input.content.accumulated
	class.class == finding.class
	means(rule.classes, class)
}

means(names, class) if {
	class.class in names
} else if {
	class.family in names
} else if {
	class.family == "national_id"
	"identity" in names
}

# === labels ===

# The session has read what reads like instructions of somebody else: a person looks at everything that it changes.
intercept contains reasons.hostile if {
	input.content.consequential == true
	input.content.labels
	"hostile" in input.content.labels
}

reasons := {
	"denied": {"code": "content_denied", "message": "The arguments hold values that may not go there."},
	"incomplete": {"code": "content_incomplete", "message": "The arguments hold more than can be looked through."},
	"ask": {"code": "content_ask", "message": "The arguments hold values that a person must let go."},
	"accumulated": {"code": "content_accumulated", "message": "The session has sent too many distinct values of a class."},
	"hostile": {"code": "content_hostile", "message": "The session has read text that reads like instructions; a person must approve."},
}
