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

test_letters_of_other_alphabets_end_a_word if {
	every text in ["édrop", "dropé", "drop中", "٣drop", "drop٣", "\u0301drop", "drop‿x"] {
		denied({"sql": "deny"}, {"q": text}) == {"destructive_sql"}
	}
	every text in ["_drop", "drop_", "dropſ", "Kdrop", "ｄｒｏｐ"] {
		denied({"sql": "deny"}, {"q": text}) == set()
	}
}

test_verbs_in_member_names if denied({"sql": "deny"}, {"delete from t": 1}) == {"destructive_sql"}

test_verbs_in_comments_that_are_executed if {
	every text in [
		"/*!50000DROP TABLE users*/",
		"/*!DROP TABLE users*/",
		"/*! DROP TABLE users*/",
		"/*M!100100delete from users*/",
		"select 1 /*!050000TRUNCATE*/ t",
		"DROP/*x*/TABLE users",
		"-- x\nDROP TABLE users",
		"#x\r\nDROP TABLE users",
	] {
		denied({"sql": "deny"}, {"q": text}) == {"destructive_sql"}
	}
}

test_verbs_in_text_that_servers_parse_as_json if {
	every text in [
		`["DROP TABLE users"]`,
		`["\u0044ROP TABLE users"]`,
		`{"sql": ["dro\u0070 table users"]}`,
		`"\u0064\u0065\u006C\u0065te from users"`,
		`["select 1;\ndrop table users"]`,
		`["select 1;\u000adrop table users"]`,
		`["select 1;\tdrop\ttable users"]`,
		# Read by Python, but no JSON.
		`[NaN, "\ud800", "\u0044ROP TABLE users"]`,
		`['\x44ROP TABLE users']`,
		# Two levels.
		`["[\"\\u0044ROP TABLE users\"]"]`,
		`["[\"x\\ndrop table users\"]"]`,
	] {
		denied({"sql": "deny"}, {"q": text}) == {"destructive_sql"}
		denied({"sql": "deny"}, {text: 1}) == {"destructive_sql"}
	}
}

test_escapes_that_encoders_write_are_silent if {
	every text in [`["a \u003c b and c = \u0027d\u0027"]`, `["M\u00fcller", "\u20ac", "\u0414\u0430"]`, `C:\users`, `a\b`] {
		denied({"sql": "deny"}, {"q": text}) == set()
	}
}

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
