package doctor

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"wormscope/capture"
)

// tagged returns a datagram behind tags, each a type and an identifier.
func tagged(tags ...uint16) *capture.Frame {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	for _, n := range tags {
		b = append(b, byte(n>>8), byte(n))
	}
	b = append(b, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 10, 1, 23, 10, 10, 1, 24, 0, 53, 1, 189, 0, 8, 0, 0)
	return &capture.Frame{Time: 1, Data: b, Len: len(b), Link: capture.LinkEthernet}
}

// TestVLANs: a packet counts once, for both of its tags where it has two.
func TestVLANs(t *testing.T) {
	seen := NewTraffic(nil, netip.Addr.IsPrivate)
	for _, tags := range [][]uint16{
		{},
		{0x8100, 0xe000}, // a priority alone
		{0x8100, 5},
		{0x8100, 0x6005},
		{0x8100, 10},
		{0x88a8, 9, 0x8100, 5},
		{0x88a8, 9, 0x8100, 5},
		{0x88a8, 9, 0x8100, 0x6007},
		{0x9100, 9, 0x8100, 5, 0x8100, 6},
		{0x88a8, 9, 0x8100, 0},
		{0x88a8, 0, 0x8100, 5},
	} {
		seen.Frame(tagged(tags...))
	}
	f := seen.tags()
	if want := "VLANs seen: 5, 9, 9.5, 9.7, 10 (outer.inner); 18% of the packets are untagged"; f.Text != want {
		t.Errorf("%s, want %s", f.Text, want)
	}
	if want := map[string]uint64{"untagged": 2, "5": 3, "9": 1, "9.5": 3, "9.7": 1, "10": 1}; !maps.Equal(f.Counts, want) {
		t.Errorf("%v, want %v", f.Counts, want)
	}
}

// TestVLANsAreBounded: pairs of tags that somebody makes up take no memory without end,
// and every packet counts.
func TestVLANsAreBounded(t *testing.T) {
	seen := NewTraffic(nil, netip.Addr.IsPrivate)
	f := tagged(0x88a8, 0, 0x8100, 0)
	const packets = 3 * maxVLANs
	for n := range uint16(packets) {
		f.Data[14], f.Data[15] = byte(n>>4)&15, byte(n)
		f.Data[18], f.Data[19] = byte(n>>12), byte(n>>8)|1
		seen.Frame(f)
	}
	sum := seen.untagged
	for n := range maps.Values(seen.vlans) {
		sum += n
	}
	if sum != packets || len(seen.vlans) > maxVLANs || len(seen.vlans) < maxVLANs-4096 {
		t.Errorf("%d packets of %d VLANs, want %d of at most %d", sum, len(seen.vlans), packets, maxVLANs)
	}
	if names := slices.Collect(maps.Keys(seen.tags().Counts)); len(names) > maxVLANs+1 {
		t.Errorf("%d names", len(names))
	}
}
