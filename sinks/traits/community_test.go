package traits

import (
	"net/netip"
	"testing"
)

// TestCommunityID checks flows of the specification's baseline, as its
// reference implementation (PyPI communityid 1.5.0) gives them for seed 0.
func TestCommunityID(t *testing.T) {
	tests := []struct {
		proto      uint8
		orig, resp string
		want       string
	}{
		{6, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "66.35.250.204:80", "128.232.110.120:34855", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "10.0.0.1:10", "10.0.0.2:11250", "1:0sVGL4noDpjYNbput2lNpE3wzpM="},
		{6, "10.0.0.2:445", "10.0.0.2:139", "1:lSUB+sDt70ZGF34bLvUKUou59vw="},
		{17, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{132, "192.168.170.8:7", "192.168.170.56:80", "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
		{6, "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{1, "192.168.0.89:8", "192.168.0.1:0", "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "192.168.0.1:3", "192.168.0.89:1", "1:o3zT92uTgnRWv/YrDVeXcWumpC4="},
		{1, "192.168.0.89:20", "192.168.0.1:0", "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="},
		{58, "[fe80::200:86ff:fe05:80da]:135", "[fe80::260:97ff:fe07:69ea]:0", "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{58, "[3ffe:507:0:1:200:86ff:fe05:80da]:3", "[3ffe:507:0:1:260:97ff:fe07:69ea]:0", "1:/OGBt9BN1ofenrmSPWYicpij2Vc="},
		{58, "[fe80::260:97ff:fe07:69ea]:136", "[fe80::200:86ff:fe05:80da]:0", "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
	}
	for _, tt := range tests {
		orig, resp := netip.MustParseAddrPort(tt.orig), netip.MustParseAddrPort(tt.resp)
		if got := CommunityID(tt.proto, orig, resp); got != tt.want {
			t.Errorf("CommunityID(%d, %s, %s) = %s, want %s", tt.proto, orig, resp, got, tt.want)
		}
	}
}

func TestCommunityIDOfBothDirections(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.1.0.14:50000"), netip.MustParseAddrPort("10.3.0.53:53")
	if there, back := CommunityID(protoTCP, a, b), CommunityID(protoTCP, b, a); there != back || there == "" {
		t.Errorf("%q there, %q back", there, back)
	}
}

func TestCommunityIDOfWhatItCannotIdentify(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("10.1.0.14:50000"), netip.MustParseAddrPort("[2001:db8::1]:53")
	portless := netip.AddrPortFrom(v4.Addr(), 0)
	tests := []struct {
		name       string
		proto      uint8
		orig, resp netip.AddrPort
	}{
		{"mixed versions", protoTCP, v4, v6},
		{"no responder", protoTCP, v4, netip.AddrPort{}},
		{"no port", protoTCP, portless, v4},
		{"ICMP without a type", protoICMP, portless, portless},
		{"another protocol", 47, v4, v4},
	}
	for _, tt := range tests {
		if got := CommunityID(tt.proto, tt.orig, tt.resp); got != "" {
			t.Errorf("%s: %s, want none", tt.name, got)
		}
	}
}
