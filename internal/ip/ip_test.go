package ip_test

import (
	"net/netip"
	"testing"

	"wormscope/internal/ip"
)

// TestForms goes from the standard library's form and back.
func TestForms(t *testing.T) {
	for _, s := range []string{"0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "::1", "::fffe:1.2.3.4", "2001:db8::5", "ff02::1"} {
		want := netip.MustParseAddrPort(netip.AddrPortFrom(netip.MustParseAddr(s), 445).String())
		got := ip.FromPort(want)
		if got.Netip() != want || got.Addr.Is4() != want.Addr().Is4() || got.String() != want.String() {
			t.Errorf("%s becomes %s", want, got)
		}
	}
	if a, b := ip.From(netip.MustParseAddr("::ffff:10.1.2.3")), ip.From(netip.MustParseAddr("10.1.2.3")); a != b || a.Number4() != 0x0a010203 {
		t.Errorf("an IPv4 address and its IPv6-mapped form are %s and %s", a, b)
	}
}

// TestLess puts addresses in the order of the standard library, within a
// family, and ports after them.
func TestLess(t *testing.T) {
	for _, family := range [][]string{
		{"0.0.0.0:9", "9.255.0.1:1", "10.0.0.0:1", "10.0.0.0:2", "255.255.255.255:0"},
		{"[::]:1", "[::1]:0", "[::1]:5", "[2001:db8::]:0", "[2001:db8:0:1::]:0", "[ff02::1]:3"},
	} {
		for i, a := range family {
			for j, b := range family {
				x, y := netip.MustParseAddrPort(a), netip.MustParseAddrPort(b)
				if got := ip.FromPort(x).Less(ip.FromPort(y)); got != (i < j) || got != (x.Compare(y) < 0) {
					t.Errorf("%s before %s: %v", a, b, got)
				}
			}
		}
	}
}

// TestSingle tells hosts from what no host has.
func TestSingle(t *testing.T) {
	for s, want := range map[string]bool{
		"10.1.2.3": true, "0.1.2.3": false, "127.0.0.1": false, "224.0.0.1": false, "239.1.1.1": false, "255.255.255.255": false,
		"2001:db8::1": true, "fe80::1": true, "::": false, "::1": false, "ff02::1": false,
	} {
		if got := ip.From(netip.MustParseAddr(s)).Single(); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}

// TestMulticast agrees with the standard library.
func TestMulticast(t *testing.T) {
	for _, s := range []string{"223.255.255.255", "224.0.0.0", "239.1.1.1", "240.0.0.0", "0.0.0.0", "::", "fe80::1", "ff02::1", "ff::"} {
		if a := netip.MustParseAddr(s); ip.From(a).Multicast() != a.IsMulticast() {
			t.Errorf("%s: %v", s, !a.IsMulticast())
		}
	}
}
