package interdict.policy.destructive_test

import data.interdict.policy.destructive

call(arguments) := {
	"server": {"id": "db"},
	"mcp": {"kind": "request", "method": "tools/call", "tool": "run", "arguments": arguments},
}

denied(declared, arguments) := {reason.code |
	some reason in destructive.deny with input as call(arguments) with data.interdict.destructive.db.run as declared
}

asked(declared, arguments) := {reason.code |
	some reason in destructive.intercept with input as call(arguments)
		with data.interdict.destructive.db.run as declared
}

test_a_destructive_tool_asks_or_denies if {
	asked({"action": "ask"}, {}) == {"destructive_tool"}
	denied({"action": "ask"}, {}) == set()
	denied({"action": "deny"}, {}) == {"destructive_tool"}
	asked({"action": "deny"}, {}) == set()
}

test_verbs_in_any_string_and_case if {
	every text in ["DROP TABLE t", "select 1; Delete from t", "truncate t", "/**/purge", "x\ndelete\ny"] {
		denied({"sql": "deny"}, {"q": text}) == {"destructive_sql"}
		asked({"sql": "ask"}, {"q": [{"deep": [text]}]}) == {"destructive_sql"}
	}
}

test_verbs_in_member_names if denied({"sql": "deny"}, {"delete from t": 1}) == {"destructive_sql"}

test_other_words_are_silent if {
	every text in ["select deleted from t", "dropdown", "", "update t set x = 1", "backdrop"] {
		denied({"sql": "deny"}, {"q": text}) == set()
	}
}

test_a_tool_without_sql_is_not_searched if denied({"action": "ask"}, {"q": "drop table t"}) == set()

test_a_declaration_with_a_mistake_is_found_at_load if {
	every declared in [{}, {"action": "allow"}, {"sql": true}, {"verbs": "deny"}] {
		count(destructive.mistake) == 1 with data.interdict.destructive as {"db": {"run": declared}}
	}
	count(destructive.mistake) == 0 with data.interdict.destructive as {"db": {"run": {"sql": "ask", "action": "deny"}}}
}

test_a_tool_that_is_not_declared_is_silent if {
	count(destructive.deny) == 0 with input as call({"q": "drop"}) with data.interdict.destructive as {}
	count(destructive.intercept) == 0 with input as call({"q": "drop"}) with data.interdict.destructive as {}
}
