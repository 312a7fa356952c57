package flow

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/lru"
	"wormscope/internal/ip"
)

// modelOpenings is openings with whole keys in one table, slowly.
type modelOpenings struct {
	buckets   map[uint64]*[openWays]opening[key]
	mask      uint64
	forgotten uint64
}

func (m *modelOpenings) note(k key, from side, p *packet.Packet) bool {
	at := k.hash(seedA, seedB) & m.mask
	if k.is4() {
		at |= 1 << 63 // a bucket of its own
	}
	b := m.buckets[at]
	if b == nil {
		b = new([openWays]opening[key])
		m.buckets[at] = b
	}
	var o *opening[key]
	for i := range b {
		if b[i].how.used && b[i].key == k && p.Time-b[i].time <= openWait {
			o = &b[i]
			break
		}
	}
	if o == nil {
		o = m.room(b, p.Time)
		*o = opening[key]{key: k, how: beginning{used: true, orig: 1 - from}}
	}
	isNew := !p.Flags.Has(packet.ACK) && (!o.how.seen[from] || o.how.isn[from] != p.Seq)
	if isNew {
		*o = opening[key]{key: k, how: beginning{used: true, orig: from}}
	}
	o.time, o.how.isn[from], o.how.seen[from] = p.Time, p.Seq, true
	return isNew
}

func (m *modelOpenings) room(b *[openWays]opening[key], now int64) *opening[key] {
	oldest := &b[0]
	for i := range b {
		if !b[i].how.used || now-b[i].time > openWait {
			return &b[i]
		}
		if b[i].time < oldest.time {
			oldest = &b[i]
		}
	}
	m.forgotten++
	return oldest
}

func (m *modelOpenings) get(k key, now int64) *beginning {
	at := k.hash(seedA, seedB) & m.mask
	if k.is4() {
		at |= 1 << 63
	}
	if b := m.buckets[at]; b != nil {
		for i := range b {
			if b[i].how.used && b[i].key == k && now-b[i].time <= openWait {
				return &b[i].how
			}
		}
	}
	return nil
}

// TestOpeningsModel compares openings with the model on random openings of
// few connections of both families in small tables, with time that goes back.
func TestOpeningsModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	hosts := []ip.Addr{
		ip.From(netip.MustParseAddr("10.0.0.1")), ip.From(netip.MustParseAddr("10.0.0.2")),
		ip.From(netip.MustParseAddr("fd00::1")), ip.From(netip.MustParseAddr("fd00:0:0:1::1")),
	}
	o := newOpenings(32)
	m := modelOpenings{buckets: map[uint64]*[openWays]opening[key]{}, mask: 7}
	p := packet.Packet{Time: 1000 * second}
	for step := range 200_000 {
		p.Time += rnd.Int64N(100*second) - 30*second
		p.Src = ip.AddrPort{Addr: hosts[rnd.IntN(4)], Port: uint16(rnd.IntN(12))}
		p.Dst = ip.AddrPort{Addr: hosts[rnd.IntN(4)], Port: uint16(rnd.IntN(12))}
		p.Seq = rnd.Uint32N(2)
		p.Flags = packet.SYN
		if rnd.IntN(3) == 0 {
			p.Flags |= packet.ACK
		}
		var k key
		from := k.of(&p)
		got, want := o.get(&k, p.Time), m.get(k, p.Time)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Fatalf("step %d: %+v, not %+v", step, got, want)
		}
		if got != nil && rnd.IntN(8) == 0 { // it has data now
			got.used, want.used = false, false
			continue
		}
		if got, want := o.note(&k, from, &p), m.note(k, from, &p); got != want || o.forgotten() != m.forgotten {
			t.Fatalf("step %d: new %v, not %v; %d forgotten, not %d", step, got, want, o.forgotten(), m.forgotten)
		}
	}
	if m.forgotten == 0 {
		t.Error("no bucket was ever full")
	}
}

// TestSizes: what the memory of a flood and the cache lines of a look-up are
// reckoned from.
func TestSizes(t *testing.T) {
	if n := reflect.TypeFor[opening[key4]]().Size(); n != 32 {
		t.Errorf("an opening of IPv4 takes %d bytes", n)
	}
	if n := reflect.TypeFor[opening[key]]().Size(); n != 64 {
		t.Errorf("an opening of IPv6 takes %d bytes", n)
	}
}

// TestFind: keys that share a hash are told apart.
func TestFind(t *testing.T) {
	table := lru.NewHashed[key, int](4, func(key) uint64 { return 7 })
	keys := []key{{ports: 1}, {ports: 2}, {low: ip.Addr{Hi: 1}, ports: 1}}
	for i, k := range keys {
		if find(table, &k, 7) != nil {
			t.Errorf("key %d is found before it is there", i)
		}
		table.Add(k).Value = i
	}
	for i, k := range keys {
		if e := find(table, &k, 7); e == nil || e.Value != i {
			t.Errorf("key %d: %+v", i, e)
		}
	}
}
