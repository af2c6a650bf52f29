# The policy of the end-to-end tests: what a tool call meets is written in the data, everything else is allowed.
package interdict.policy.tests

import rego.v1

allow contains {"code": "tests_allow", "message": "The tests allow this."}

deny contains {"code": "tests_deny", "message": "Denied by the tests."} if {
	input.mcp.method == "tools/call"
	input.mcp.tool in data.tests.denied
}

intercept contains {"code": "tests_intercept", "message": "A person decides in the tests."} if {
	input.mcp.method == "tools/call"
	input.mcp.tool in data.tests.intercepted
}
