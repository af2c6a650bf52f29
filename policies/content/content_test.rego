package interdict.policy.content_test

import data.interdict.policy.content

call(fact) := {
	"server": {"id": "mail"},
	"content": fact,
	"mcp": {"kind": "request", "method": "tools/call", "tool": "send", "arguments": {}},
}

denied(fact, rules) := {reason.code |
	some reason in content.deny with input as call(fact) with data.interdict.content.accumulate as rules
}

asked(fact, rules) := {reason.code |
	some reason in content.intercept with input as call(fact) with data.interdict.content.accumulate as rules
}

finding(class, action) := {"class": class, "action": action, "path": "/a", "place": "text", "count": 1}

test_findings_are_denied_or_asked_about if {
	denied({"findings": [finding("pan", "redact"), finding("jwt", "deny")]}, []) == {"content_denied"}
	asked({"findings": [finding("pan", "ask")]}, []) == {"content_ask"}
	denied({"findings": [finding("pan", "ask")]}, []) == set()
}

test_other_findings_are_silent if {
	every action in ["count", "redact", "tokenise"] {
		denied({"findings": [finding("pan", action)]}, []) == set()
		asked({"findings": [finding("pan", action)]}, []) == set()
	}
}

test_what_was_not_looked_through_completely_is_denied if {
	denied({"incomplete": true}, []) == {"content_incomplete"}
	denied({"incomplete": false}, []) == set()
}

many(pans, ibans, bsns) := {
	"findings": [finding("pan", "count")],
	"accumulated": [
		{"class": "pan", "family": "card", "distinct": pans},
		{"class": "iban", "family": "account", "distinct": ibans},
		{"class": "nl_bsn", "family": "national_id", "distinct": bsns},
	],
}

rule(classes, action) := {"classes": classes, "distinct": 5, "action": action}

test_more_distinct_values_than_a_session_may_send if {
	asked(many(5, 9, 9), [rule(["pan"], "ask")]) == set()
	asked(many(6, 0, 0), [rule(["pan"], "ask")]) == {"content_accumulated"}
	denied(many(6, 0, 0), [rule(["card"], "deny")]) == {"content_accumulated"}
	denied(many(6, 0, 0), [rule(["pan"], "ask")]) == set()
	asked(many(6, 0, 0), [rule(["pan"], "deny")]) == set()
}

test_values_of_several_classes_count_together if {
	asked(many(3, 3, 0), [rule(["pan", "iban"], "ask")]) == {"content_accumulated"}
	asked(many(3, 2, 9), [rule(["pan", "account"], "ask")]) == set()
	asked(many(1, 0, 5), [rule(["pan", "identity"], "ask")]) == {"content_accumulated"}
}

test_a_call_that_adds_nothing_is_not_held_against_the_session if {
	asked(many(1, 9, 9), [rule(["iban"], "ask")]) == set()
	asked(object.union(many(9, 9, 9), {"findings": []}), [rule(["pan"], "ask")]) == set()
}

test_a_hostile_session_asks_before_it_changes_something if {
	asked({"consequential": true, "labels": ["hostile"]}, []) == {"content_hostile"}
	asked({"consequential": false, "labels": ["hostile"]}, []) == set()
	asked({"consequential": true, "labels": ["other"]}, []) == set()
	asked({"consequential": true}, []) == set()
}

test_without_content_the_topic_is_silent if {
	bare := object.remove(call({}), ["content"])
	count(content.deny) == 0 with input as bare with data.interdict.content.accumulate as [rule(["pan"], "deny")]
	count(content.intercept) == 0 with input as bare with data.interdict.content.accumulate as [rule(["pan"], "ask")]
}
