# Contracts: what an operator says that a tool does, and how far a call of it may go. The contract of the tool that is
# called is in the input (`contracts/*.yaml`, checked when the bundle is loaded).
package interdict.policy.contracts

import data.interdict.lib.arguments
import data.interdict.policy.destinations
import data.interdict.policy.tools

# A server of which every tool needs a contract.
deny contains reasons.missing if {
	data.interdict.contracts[input.server.id].required
	input.mcp.method == "tools/call"
	not input.contract
}

# === effects ===

# A role that says which effects it may have grants no tool that has others.
deny contains reasons.effects if {
	input.contract.effects
	some role in input.agent.roles
	grants(role)
	exceeds(role)
	not granted
}

granted if {
	some role in input.agent.roles
	grants(role)
	not exceeds(role)
}

grants(role) if {
	some server in [input.server.id, "*"]
	patterns := data.interdict.roles[role].tools[server]
	tools.matches(patterns, input.mcp.tool)
}

exceeds(role) if {
	effects := data.interdict.roles[role].effects
	some effect in input.contract.effects
	not effect in effects
}

# === value ===

deny contains reasons[value_violation] if input.contract.value

intercept contains reasons.value_ask if {
	input.contract.value
	total > input.contract.value.ask_above
}

amounts := arguments.at(input.contract.value.path)

# What is wrong with the amounts; undefined when nothing is.
value_violation := "value_missing" if {
	some found in amounts
	found == set()
	not input.contract.value.optional == true
} else := "value_form" if {
	some found in amounts
	found != set()
	not is_amount(found)
} else := "value_currency" if {
	some amount in amounts
	amount != set()
	some found in arguments.at(input.contract.value.currency_path)
	found != input.contract.value.currency
} else := "value_form" if {
	total > 9007199254740991
} else := "value_max" if {
	total > input.contract.value.max
}

# Nothing below zero or beyond what a double counts exactly, and nothing below the smallest unit of the currency.
is_amount(found) if {
	is_number(found)
	found >= 0
	found <= 9007199254740991
	abs((found * scale) - round(found * scale)) < 0.000001
}

# In the smallest unit of the currency.
total := sum([round(found * scale) | some found in amounts; is_number(found)])

scale := [1, 10, 100, 1000, 10000][object.get(input.contract.value, "minor_units", 0)]

# === recipients ===

deny contains reasons[recipients_violation] if input.contract.recipients

intercept contains reasons.recipients_ask if {
	input.contract.recipients
	count(recipients) > input.contract.recipients.ask_above
}

recipients := [found |
	some path in input.contract.recipients.paths
	some found in arguments.at(path)
	found != set()
]

recipients_violation := "recipients_missing" if {
	recipients == []
	not input.contract.recipients.optional == true
} else := "recipients_form" if {
	some found in recipients
	not is_recipient(found)
} else := "recipients_max" if {
	count(recipients) > input.contract.recipients.max
}

# One recipient, and not several in one text: no comma or semicolon of any script (also small, upright, or the Greek question mark, which
# NFC makes a semicolon), no line break, and not two "@", as mail programs also part addresses at blanks.
is_recipient(found) if {
	is_number(found)
} else if {
	is_string(found)
	regex.match(`^[^,;\x00-\x1f\x{85}\x{2028}\x{2029}\x{37e}\x{55d}\x{60c}\x{61b}\x{1802}\x{1808}\x{3001}\x{a4fe}\x{a6f5}\x{fe10}\x{fe11}\x{fe14}\x{fe50}\x{fe51}\x{fe54}\x{ff0c}\x{ff1b}\x{ff64}]+$`, found)
	not regex.match(`[@\x{fe6b}\x{ff20}].*[@\x{fe6b}\x{ff20}]`, found)
}

# === cardinality ===

deny contains reasons[cardinality_violation] if input.contract.cardinality

deny contains reasons.unbounded if {
	input.contract.cardinality.unbounded == "deny"
	unbounded
}

intercept contains reasons.unbounded if {
	input.contract.cardinality.unbounded == "ask"
	unbounded
}

intercept contains reasons.cardinality_ask if {
	input.contract.cardinality
	count(things) > input.contract.cardinality.ask_above
}

cardinality_violation := "cardinality_form" if {
	some found in things
	not is_thing(found)
} else := "cardinality_form" if {
	some found in conditions
	is_set(found) # misshapen: no JSON value is a set
} else := "cardinality_max" if {
	count(things) > input.contract.cardinality.max
}

things := [found |
	some path in object.get(input.contract.cardinality, "paths", [])
	some found in arguments.at(path)
	found != set()
]

conditions := [found |
	some path in object.get(input.contract.cardinality, "filters", [])
	some found in arguments.at(path)
	found != set()
]

is_thing(found) if type_name(found) in {"string", "number", "null"}

unbounded if {
	things == []
	conditions == []
}

unbounded if {
	some found in things
	is_loose(found)
}

unbounded if {
	some found in conditions
	is_loose(found)
}

unbounded if {
	some found in conditions
	type_name(found) in {"array", "object"}
	some inner in found
	is_loose(inner)
}

# What chooses everything, or cannot be told from that.
is_loose(found) if {
	found in [null, true, [], {}]
} else if {
	is_string(found)
	regex.match(loose, found)
}

# Nothing but blanks, a wildcard anywhere, or between blanks a word for all or a path that is only where it begins.
loose := `(?i)[*%?]|^[\x00-\x20\x{85}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200f}\x{2028}\x{2029}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}]*(?:all|any|true|null|1 *= *1|(?:file:|[a-z]:)?[./\\~ ]*)[\x00-\x20\x{85}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200f}\x{2028}\x{2029}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}]*$`

# === destinations ===

# Of the same form, and to the same hosts, as in the topic of that name.
deny contains destinations.reason(code) if {
	some check in input.contract.destinations
	some value in arguments.at(check.path)
	code := destinations.violation(check, value)
}

# === depth of paths ===

deny contains reasons[code] if {
	input.contract.path_depth
	some found in arguments.at(input.contract.path_depth.path)
	code := depth_violation(found)
}

depth_violation(found) := "path_missing" if {
	found == set()
	not input.contract.path_depth.optional == true
} else := "path_form" if {
	found != set()
	not is_plain_path(found)
} else := "path_depth" if {
	found != set()
	count(split(trim(found, "/"), "/")) < input.contract.path_depth.min
}

# Parts with a name each: nothing that climbs, that is decoded into something else, or that a shell or server expands.
is_plain_path(found) if {
	is_string(found)
	regex.match(`^/?[^/\\%*?~\x00-\x1f\x7f]+(?:/[^/\\%*?~\x00-\x1f\x7f]+)*/?$`, found)
	not regex.match(`(?:^|/)[. ]*\.[. ]*(?:/|$)`, found)
}

# === over calls ===

# What this call adds once it is let through. The server keeps a counter for each agent and person, server, tool and
# window, and says what it stood at before (`input.totals`). Nothing is said of a counter that nothing is added to.
obligation contains {"type": "consume", "counter": "value", "window": window, "amount": total} if {
	some term in input.contract.value.totals
	window := term.window
	not term.per
	total > 0
	total <= 9007199254740991
}

obligation contains {"type": "consume", "counter": "payee", "window": window, "amount": total, "of": payee} if {
	some term in input.contract.value.totals
	window := term.window
	payee := payee_at(term.per)
	total > 0
	total <= 9007199254740991
}

obligation contains {"type": "consume", "counter": "recipients", "window": window, "things": recipients} if {
	some term in input.contract.recipients.totals
	window := term.window
	count(recipients) > 0
	can_be_told_apart(recipients)
}

obligation contains {"type": "consume", "counter": "cardinality", "window": window, "things": things} if {
	some term in input.contract.cardinality.totals
	window := term.window
	count(things) > 0
	can_be_told_apart(things)
}

deny contains reasons.value_payee if {
	some term in input.contract.value.totals
	term.per
	total > 0
	not payee_at(term.per)
}

deny contains reasons.value_total if {
	some term in input.contract.value.totals
	not term.per
	sum_with("value", term.window) > term.max
}

intercept contains reasons.value_total_ask if {
	some term in input.contract.value.totals
	not term.per
	sum_with("value", term.window) > term.ask_above
}

deny contains reasons.payee_total if {
	some term in input.contract.value.totals
	term.per
	sum_with("payee", term.window) > term.max
}

intercept contains reasons.payee_total_ask if {
	some term in input.contract.value.totals
	term.per
	sum_with("payee", term.window) > term.ask_above
}

deny contains reasons.recipients_total if {
	some term in input.contract.recipients.totals
	distinct_with("recipients", term.window, recipients) > term.max
}

intercept contains reasons.recipients_total_ask if {
	some term in input.contract.recipients.totals
	distinct_with("recipients", term.window, recipients) > term.ask_above
}

deny contains reasons.cardinality_total if {
	some term in input.contract.cardinality.totals
	distinct_with("cardinality", term.window, things) > term.max
}

intercept contains reasons.cardinality_total_ask if {
	some term in input.contract.cardinality.totals
	distinct_with("cardinality", term.window, things) > term.ask_above
}

deny contains reasons.recipients_total if {
	input.contract.recipients.totals
	not can_be_told_apart(recipients)
}

deny contains reasons.cardinality_total if {
	input.contract.cardinality.totals
	not can_be_told_apart(things)
}

# So many that each can be looked up, and no number that is rounded when it is written: two of those could count as one.
can_be_told_apart(found) if {
	count(found) <= 10000
	not has_rounded(found)
}

has_rounded(found) if {
	some one in found
	is_rounded(one)
}

is_rounded(found) if {
	is_number(found)
	abs(found) > 9007199254740991
}

sum_with(counter, window) := sum(before(counter, window)) + total

# Without a word of the server all things are new.
distinct_with(counter, window, found) := sum(before(counter, window)) + sum(new(counter, window)) if {
	count(before(counter, window)) > 0
} else := count(distinct(found))

before(counter, window) := [fact.before |
	some fact in input.totals
	fact.counter == counter
	fact.window == window
]

new(counter, window) := [fact.new |
	some fact in input.totals
	fact.counter == counter
	fact.window == window
]

distinct(found) := {one | some one in found}

# Whom the money goes to: one text with something in it beside blanks and separators, or one number.
payee_at(path) := found if {
	[found] := arguments.at(path)
	is_number(found)
	not is_rounded(found)
} else := found if {
	[found] := arguments.at(path)
	is_string(found)
	is_recipient(found)
	regex.match(`[^\x00-\x20\x{a0}\x{2000}-\x{200f}\x{2028}\x{2029}\x{3000}\x{feff}._-]`, found)
}

# === answers ===

obligation contains {"type": "cap_rows", "path": rows.path, "max": rows.max, "over": rows.over} if {
	input.contract.rows
	rows := input.contract.rows
}

obligation contains {"type": "undeclared_output", "action": input.contract.output.undeclared} if {
	input.contract.output
}

reasons := {
	"missing": {"code": "contract_missing", "message": "The tool has no contract, and this server needs one for every tool."},
	"effects": {"code": "contract_effects", "message": "The tool has effects that no role of the agent may have."},
	"value_missing": {"code": "contract_value_missing", "message": "The amount is missing."},
	"value_form": {"code": "contract_value_form", "message": "The amount is no number, is below zero, is too large to be counted or has too many decimal places."},
	"value_currency": {"code": "contract_value_currency", "message": "The amount is in another currency than the contract says."},
	"value_max": {"code": "contract_value_max", "message": "The amount is above the maximum of the contract."},
	"value_ask": {"code": "contract_value_ask", "message": "The amount is so large that a person must approve."},
	"value_payee": {"code": "contract_value_payee", "message": "Whom the amount goes to is missing, or is not one text or number."},
	"value_total": {"code": "contract_value_total", "message": "With the calls before it, the amount is above the total of the contract."},
	"value_total_ask": {"code": "contract_value_total_ask", "message": "With the calls before it, the amount is so large that a person must approve."},
	"payee_total": {"code": "contract_payee_total", "message": "With the calls before it, the amount for this payee is above the total of the contract."},
	"payee_total_ask": {"code": "contract_payee_total_ask", "message": "With the calls before it, the amount for this payee is so large that a person must approve."},
	"recipients_total": {"code": "contract_recipients_total", "message": "With the calls before it, there are more recipients than the total of the contract."},
	"recipients_total_ask": {"code": "contract_recipients_total_ask", "message": "With the calls before it, there are so many recipients that a person must approve."},
	"cardinality_total": {"code": "contract_cardinality_total", "message": "With the calls before it, the call is about more things than the total of the contract."},
	"cardinality_total_ask": {"code": "contract_cardinality_total_ask", "message": "With the calls before it, the call is about so many things that a person must approve."},
	"recipients_missing": {"code": "contract_recipients_missing", "message": "The recipients are missing."},
	"recipients_form": {"code": "contract_recipients_form", "message": "The recipients are not in a form in which they can be counted."},
	"recipients_max": {"code": "contract_recipients_max", "message": "There are more recipients than the contract allows."},
	"recipients_ask": {"code": "contract_recipients_ask", "message": "There are so many recipients that a person must approve."},
	"cardinality_form": {"code": "contract_cardinality_form", "message": "What the call is about is not in a form in which it can be counted."},
	"cardinality_max": {"code": "contract_cardinality_max", "message": "The call is about more things than the contract allows."},
	"cardinality_ask": {"code": "contract_cardinality_ask", "message": "The call is about so many things that a person must approve."},
	"unbounded": {"code": "contract_unbounded", "message": "Nothing bounds what the call is about."},
	"path_missing": {"code": "contract_path_missing", "message": "The path is missing."},
	"path_form": {"code": "contract_path_form", "message": "The path does not have the plain form that can be checked."},
	"path_depth": {"code": "contract_path_depth", "message": "The path is too close to the root."},
}

# Checked once, when the bundle is loaded.
mistake contains {"code": "contracts", "message": sprintf("`contracts` of server `%v` is `{required: true}` or `{required: false}`.", [server])} if {
	some server, declared in data.interdict.contracts
	not well_formed(declared)
}

well_formed(declared) if {
	is_object(declared)
	object.keys(declared) == {"required"}
	is_boolean(declared.required)
}

mistake contains {"code": "effects", "message": sprintf("`effects` of role `%v` is a list of effects that contracts have.", [role])} if {
	some role, declared in data.interdict.roles
	"effects" in object.keys(declared)
	not effects_well_formed(declared.effects)
}

effects_well_formed(effects) if {
	is_array(effects)
	every effect in effects {
		effect in {"read", "write", "delete", "send", "pay", "execute", "grant"}
	}
}
