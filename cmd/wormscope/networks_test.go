package main

import "testing"

// TestParseNetwork: a network is one of the addresses that packets have, in whichever
// form it is written.
func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "192.0.2.1": "192.0.2.1/32", "0.0.0.0/0": "0.0.0.0/0",
		"::ffff:192.0.2.1": "192.0.2.1/32", "::ffff:10.1.2.3/104": "10.0.0.0/8", "::ffff:0:0/96": "0.0.0.0/0",
		"2001:db8::1/64": "2001:db8::/64", "::/0": "::/0",
		"::ffff:10.0.0.0/95": "", "10.0.0.0/33": "", "fe80::1%eth0": "", "fe80::1%eth0/64": "", "office": "", "": "",
		"10.10.0.0": "", "192.0.2.0": "", "2001:db8::": "", "10.10.0.0/32": "10.10.0.0/32", "2001:db8::/128": "2001:db8::/128",
	} {
		got := ""
		if p, err := parseNetwork(text); err == nil {
			got = p.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestForgottenMask: the error names the network that is likely meant.
func TestForgottenMask(t *testing.T) {
	for text, want := range map[string]string{
		"10.10.0.0":  `"10.10.0.0" lacks its mask (want CIDR such as 10.10.0.0/16; 10.10.0.0/32 for that one address)`,
		"10.0.0.0":   `"10.0.0.0" lacks its mask (want CIDR such as 10.0.0.0/8; 10.0.0.0/32 for that one address)`,
		"192.0.2.0":  `"192.0.2.0" lacks its mask (want CIDR such as 192.0.2.0/24; 192.0.2.0/32 for that one address)`,
		"2001:db8::": `"2001:db8::" lacks its mask (want CIDR such as 2001:db8::/64; 2001:db8::/128 for that one address)`,
	} {
		if _, err := parseNetwork(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
