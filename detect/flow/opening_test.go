package flow

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strconv"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/lru"
	"wormscope/internal/ip"
)

// modelOpenings is openings with whole keys in one table, slowly.
type modelOpenings struct {
	asked     map[uint64]modelAsked // by place
	buckets   map[uint64]*[openWays]opening[key]
	mask      uint64
	places    uint64
	forgotten uint64
}

type modelAsked struct {
	key  key
	from side
	isn  uint32
	time int64
}

func (m *modelOpenings) syn(k key, now int64) (a modelAsked, ok bool) {
	a, ok = m.asked[k.hash(seedA, seedB)&m.places]
	return a, ok && a.key == k && now-a.time <= openWait
}

func (m *modelOpenings) ask(k key, from side, p *packet.Packet) {
	m.asked[k.hash(seedA, seedB)&m.places] = modelAsked{k, from, p.Seq, p.Time}
}

func (m *modelOpenings) follows(k key, from side, p *packet.Packet) bool {
	a, ok := m.syn(k, p.Time)
	return ok && a.from == from && p.Seq == a.isn+1
}

func (m *modelOpenings) asks(k key, from side, p *packet.Packet) bool {
	a, ok := m.syn(k, p.Time)
	return ok && a.from != from && p.Ack == a.isn+1
}

func (m *modelOpenings) bucket(k key) *[openWays]opening[key] {
	at := k.hash(seedA, seedB) & m.mask
	if k.is4() {
		at |= 1 << 63 // a bucket of its own
	}
	if m.buckets[at] == nil {
		m.buckets[at] = new([openWays]opening[key])
	}
	return m.buckets[at]
}

func (m *modelOpenings) find(k key, now int64) *opening[key] {
	for i := range m.bucket(k) {
		if o := &m.bucket(k)[i]; o.how.used && o.key == k && now-o.time <= openWait {
			return o
		}
	}
	return nil
}

func (m *modelOpenings) accept(k key, from side, p *packet.Packet) {
	o := m.find(k, p.Time)
	if o == nil {
		o = m.room(m.bucket(k), p.Time)
	}
	*o = opening[key]{key: k, time: p.Time, how: beginning{used: true, orig: 1 - from, seen: [2]bool{true, true}}}
	o.how.isn[from], o.how.isn[1-from] = p.Seq, p.Ack-1
	if a, ok := m.syn(k, p.Time); ok && a.from != from {
		o.how.isn[1-from] = a.isn
	}
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

func (m *modelOpenings) take(k key, now int64) (beginning, bool) {
	a, asked := m.syn(k, now)
	if asked {
		delete(m.asked, k.hash(seedA, seedB)&m.places)
	}
	o := m.find(k, now)
	if o != nil {
		o.how.used = false
		how := o.how
		how.used = true
		if !asked || a.time <= o.time || how.isn[a.from] == a.isn {
			return how, true
		}
	}
	if !asked {
		return beginning{}, false
	}
	how := beginning{used: true, orig: a.from}
	how.isn[a.from], how.seen[a.from] = a.isn, true
	return how, true
}

// TestOpeningsModel compares openings with the model on random openings of
// few connections of both families in small tables, with time that goes back.
func TestOpeningsModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	hosts := []ip.Addr{
		ip.From(netip.MustParseAddr("10.0.0.1")), ip.From(netip.MustParseAddr("10.0.0.2")),
		ip.From(netip.MustParseAddr("fd00::1")), ip.From(netip.MustParseAddr("fd00:0:0:1::1")),
	}
	o := newOpenings(4, 32)
	m := modelOpenings{
		asked: map[uint64]modelAsked{}, buckets: map[uint64]*[openWays]opening[key]{}, mask: 7, places: uint64(len(o.asked) - 1),
	}
	p := packet.Packet{Time: 1000 * second}
	taken := map[bool]int{}
	for step := range 200_000 {
		p.Time += 2 * (rnd.Int64N(50*second) - 15*second) // the lowest bit of a SYN's time is not kept
		p.Src = ip.AddrPort{Addr: hosts[rnd.IntN(4)], Port: uint16(rnd.IntN(6))}
		p.Dst = ip.AddrPort{Addr: hosts[rnd.IntN(4)], Port: uint16(rnd.IntN(6))}
		p.Seq, p.Ack = rnd.Uint32N(2), rnd.Uint32N(3)
		var k key
		from := k.of(&p)
		secret := k.hash(0x5bf03635f0a31e2d, 0x8ebc6af09c88c6e3)
		if got, want := o.asks(&k, secret, from, &p), m.asks(k, from, &p); got != want {
			t.Fatalf("step %d: asked for %v, not %v", step, got, want)
		}
		if got, want := o.follows(&k, secret, from, &p), m.follows(k, from, &p); got != want {
			t.Fatalf("step %d: follows a SYN %v, not %v", step, got, want)
		}
		switch rnd.IntN(4) {
		case 0:
			o.accept(&k, secret, from, &p)
			m.accept(k, from, &p)
		case 1: // it has data now
			got, ok := o.take(&k, secret, p.Time)
			want, there := m.take(k, p.Time)
			if ok != there || ok && got != want {
				t.Fatalf("step %d: %+v, not %+v", step, got, want)
			}
			taken[ok]++
		default:
			o.ask(&k, secret, from, &p)
			m.ask(k, from, &p)
		}
		if o.forgotten() != m.forgotten {
			t.Fatalf("step %d: %d forgotten, not %d", step, o.forgotten(), m.forgotten)
		}
	}
	if m.forgotten == 0 || taken[true] < 1000 || taken[false] < 1000 {
		t.Errorf("%d forgotten, %v taken: it is not tested", m.forgotten, taken)
	}
}

// TestSizes: what the memory of a flood and the cache lines of a look-up are
// reckoned from.
func TestSizes(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("laid out for pointers of 64 bits")
	}
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
