package feed

import (
	"strings"
	"testing"
)

func TestAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"good.example": "good.example", " Good.Example. ": "good.example", "*.good.example": "good.example", ".good.example": "good.example",
		"good[.]example": "good.example", "||good.example^": "good.example", "münchen.example": "xn--mnchen-3ya.example",
		"co.uk": "co.uk", "github.io": "github.io",
		"192.0.2.7": "192.0.2.7", "10.0.0.1": "10.0.0.1", "192[.]0[.]2[.]7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"[2001:db8::7]": "2001:db8::7", "2001:db8::7": "2001:db8::7",
		"192.0.2.9/24": "192.0.2.0/24", "192.0.2.9/32": "192.0.2.9", "0.0.0.0/0": "0.0.0.0/0", "2001:db8::/32": "2001:db8::/32", "::ffff:192.0.2.0/120": "192.0.2.0/24",
		"203.0.113.0-203.0.113.255": "203.0.113.0/24",
	} {
		if got, err := Allowed(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]Reason{
		"203.0.113.10:80": reasonOnePort, "good.example:80": reasonOnePort, "[2001:db8::7]:80": reasonOnePort,
		"203.0.113.0-203.0.113.254": reasonAddressRange, "203.0.113.0/33": reasonNetwork, "203.0.113.256": reasonAddress, "fe80::1%eth0": reasonZone,
		"http://good.example/x": reasonURL, "hxxps://good.example": reasonURL, "good.example/": reasonURL,
		"www.*.example": reasonCharacter, "good.ex?mple": reasonCharacter, "good example": reasonCharacter,
		"com": reasonNoDot, "localhost": reasonNoDot, "a..example": reasonLabel, "@@||good.example^": reasonException, "": reasonEmpty, "*": reasonEmpty,
	} {
		if got, err := Allowed(text); err == nil || !strings.HasSuffix(err.Error(), ": "+string(want)) {
			t.Errorf("%q: %q, %v, want %s", text, got, err, want)
		}
	}
}
