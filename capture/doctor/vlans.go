package doctor

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// A vlan is the VLAN of a packet: its tag, or the outer and inner one of QinQ. The zero
// value is none.
type vlan struct{ outer, inner uint16 }

// vlanOf returns the VLAN of a packet. The identifier 0, of a tag that has a priority
// alone, names none.
func vlanOf(f *capture.Frame, p *packet.Packet) vlan {
	v := vlan{outer: p.VLAN}
	const first, second = 12, 16 // where the types of two tags are
	if b := f.Data; f.Link == capture.LinkEthernet && len(b) >= second+4 && isTag(b[first:]) && isTag(b[second:]) {
		v.inner = binary.BigEndian.Uint16(b[second+2:]) & 0x0fff
	}
	if v.outer == 0 {
		return vlan{outer: v.inner}
	}
	return v
}

// isTag reports whether an EtherType is that of a VLAN tag.
func isTag(b []byte) bool {
	switch binary.BigEndian.Uint16(b) {
	case 0x8100, 0x88a8, 0x9100:
		return true
	}
	return false
}

// String returns a VLAN as switches write it, outer.inner.
func (v vlan) String() string {
	if v.inner == 0 {
		return strconv.Itoa(int(v.outer))
	}
	return fmt.Sprintf("%d.%d", v.outer, v.inner)
}

// compare orders VLANs by the outer and then by the inner tag.
func (v vlan) compare(other vlan) int {
	if v.outer != other.outer {
		return int(v.outer) - int(other.outer)
	}
	return int(v.inner) - int(other.inner)
}

// maxVLANs is how many VLANs are told apart: as many as a tag can name, and more pairs of
// tags than a network has. Of more pairs the outer tag alone is told.
const maxVLANs = 4 * 4096

// tag counts a packet for its VLAN.
func (t *Traffic) tag(v vlan) {
	if v == (vlan{}) {
		t.untagged++
		return
	}
	if _, known := t.vlans[v]; !known && len(t.vlans) >= maxVLANs-4096 {
		v.inner = 0
	}
	t.vlans[v]++
}

// maxListed is how many VLANs are named.
const maxListed = 16

func (t *Traffic) tags() Finding {
	f := Finding{Check: "vlans", Status: OK, Text: "no frame has a VLAN tag", Counts: map[string]uint64{"untagged": t.untagged}}
	if t.packets == 0 {
		f.Status, f.Text = Unknown, "too little traffic to tell"
		return f
	}
	seen := slices.SortedFunc(maps.Keys(t.vlans), vlan.compare)
	names, both := make([]string, 0, len(seen)), ""
	for _, v := range seen {
		names = append(names, v.String())
		f.Counts[v.String()] = t.vlans[v]
		if v.inner != 0 {
			both = " (outer.inner)"
		}
	}
	if len(names) > maxListed {
		names = append(names[:maxListed], fmt.Sprintf("and %d more", len(seen)-maxListed))
	}
	if len(names) > 0 {
		f.Text = fmt.Sprintf("VLANs seen: %s%s; %.0f%% of the packets are untagged", strings.Join(names, ", "), both, share(t.untagged, t.packets))
	}
	return f
}
