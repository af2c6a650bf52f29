# Allows everything that an authenticated, registered agent asks of a server that it may use. For conformance tests
# and for watching traffic before the first rule; it is not a policy.
package interdict.policy.allow_all

allow contains {"code": "allow_all", "message": "This bundle allows everything."}
