package interdict.policy.destinations_test

import data.interdict.policy.destinations

hosts := ["example.com", "*.example.org", "xn--bcher-kva.example"]

url := {"path": ["url"], "kind": "url"}

mail := {"path": ["to", "*"], "kind": "email"}

host := {"path": ["host"], "kind": "host"}

maybe := {"path": ["url"], "kind": "url", "optional": true}

call(arguments) := {
	"server": {"id": "web"},
	"mcp": {"kind": "request", "method": "tools/call", "tool": "send", "arguments": arguments},
}

denied(checks, arguments) := {reason.code |
	some reason in destinations.deny with input as call(arguments)
		with data.interdict.destinations as {"hosts": hosts, "tools": {"web": {"send": checks}}}
}

test_approved_urls if {
	every address in [
		"https://example.com",
		"https://example.com/",
		"https://EXAMPLE.com/a/b?c=d&e=%20f#g",
		"HTTPS://example.com:8443/x",
		"https://a.example.org/",
		"https://a.b.example.org?x",
		"https://xn--bcher-kva.example/",
		"https://example.com/@user",
	] {
		denied([url], {"url": address}) == set()
	}
}

test_other_hosts if {
	every address in [
		"https://evil.com/",
		"https://example.com.evil.com/",
		"https://notexample.com/",
		"https://www.example.com/",
		"https://example.org/",
		"https://evilexample.org/",
		"https://127.0.0.1/",
		"https://2130706433/",
		"https://xn--exmple-cua.example.org/",
		"https://a.xn--exmple-cua.example.org/",
		"https://xn--bcher-kva.example.com/",
	] {
		denied([url], {"url": address}) == {"destination_host"}
	}
}

test_tricks_with_the_form if {
	every address in [
		"https://user@example.com/",
		"https://example.com@evil.com/",
		"https://example.com:80@evil.com/",
		"https://evil.com\\@example.com/",
		"https://example.com\\.evil.com/",
		"https://[::1]/",
		"https://[2001:db8::1]:443/",
		"https://example.com./",
		"https://example.com%2eevil.com/",
		"https://exämple.com/",
		"https://еxample.com/",
		"https://example。com/",
		"http://example.com/",
		"ftp://example.com/",
		"javascript:alert(1)",
		"file:///etc/passwd",
		"//example.com/",
		"example.com",
		" https://example.com/",
		"https://example.com/ ",
		"https://example.com/\n",
		"https://example.com/\"x",
		"https:///example.com/",
		"https:example.com",
		"https://example.com:/",
		"https://example.com:123456/",
		"https://-example.com/",
		"https://example..com/",
		"https://",
		"",
	] {
		denied([url], {"url": address}) == {"destination_form"}
	}
}

test_values_that_are_no_text if {
	every value in [5, null, true, {}, ["https://example.com/"]] {
		denied([url], {"url": value}) == {"destination_form"}
	}
}

test_missing_addresses if {
	denied([url], {}) == {"destination_missing"}
	denied([maybe], {}) == set()
	denied([maybe], {"url": "https://evil.com/"}) == {"destination_host"}
	denied([mail], {}) == {"destination_missing"}
	denied([mail], {"to": []}) == {"destination_form"}
}

# A server may parse JSON in text, and look into lists: what cannot be read here is not absent.
test_another_shape_is_not_missing_for_an_optional_address if {
	copies := object.union(mail, {"optional": true})
	denied([copies], {}) == set()
	every other in ["x@evil.com", `["x@evil.com"]`, 5, null, true, [], {"0": "x@evil.com"}, [["x@evil.com"]]] {
		denied([copies], {"to": other}) == {"destination_form"}
	}
	link := {"path": ["meta", "link"], "kind": "url", "optional": true}
	denied([link], {}) == set()
	denied([link], {"meta": {}}) == set()
	evil := {"link": "https://evil.com/"}
	denied([link], {"meta": evil}) == {"destination_host"}
	every other in [[evil], json.marshal(evil), "https://evil.com/", 5, null, [], {"link": [evil.link]}] {
		denied([link], {"meta": other}) == {"destination_form"}
	}
}

test_mail_addresses if {
	denied([mail], {"to": ["a@example.com", "b.c+d@x.example.org"]}) == set()
	denied([mail], {"to": ["a@example.com", "b@evil.com"]}) == {"destination_host"}
	every address in ["Ann <a@example.com>", "a@evil.com,b@example.com", "a@b@example.com", "@example.com", "a@", "a"] {
		denied([mail], {"to": [address]}) == {"destination_form"}
	}
}

test_names_of_hosts if {
	every name in ["example.com", "EXAMPLE.com:443", "a.b.example.org"] {
		denied([host], {"host": name}) == set()
	}
	every name in ["evil.com", "example.com.evil.com", "localhost", "169.254.169.254", "2852039166", "xn--a.example.org"] {
		denied([host], {"host": name}) == {"destination_host"}
	}
	every name in ["https://example.com", "example.com/", "u@example.com", "[::1]", "::1", "example.com.", "exаmple.com", "a.com,example.com", "", " example.com", "example.com:", "example.com:123456", 5, null] {
		denied([host], {"host": name}) == {"destination_form"}
	}
}

test_other_schemes_when_declared if {
	input_of := call({"url": "http://example.com/"})
	count(destinations.deny) == 0 with input as input_of with data.interdict.destinations as {
		"hosts": hosts,
		"schemes": ["http", "https"],
		"tools": {"web": {"send": [url]}},
	}
}

test_a_declaration_with_a_mistake_is_found_at_load if {
	every check in [{"path": ["url"], "kind": "uri"}, {"path": ["url"]}, {"path": [], "kind": "url"}, {"kind": "url"}] {
		count(destinations.mistake) == 1 with data.interdict.destinations as {
			"hosts": hosts,
			"tools": {"web": {"send": [check]}},
		}
	}
	count(destinations.mistake) == 0 with data.interdict.destinations as {
		"hosts": hosts,
		"tools": {"web": {"send": [url, mail]}},
	}
}

test_a_host_list_with_a_mistake_is_found_at_load if {
	every list in [["*"], ["https://example.com"], ["Example.com"], "example.com"] {
		count(destinations.mistake) == 1 with data.interdict.destinations as {"hosts": list}
	}
}

test_a_tool_without_destinations_is_silent if {
	count(destinations.deny) == 0 with input as call({"url": "x"}) with data.interdict.destinations as {"hosts": hosts}
}
