package scan

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

// story makes a day's worth of packets in which hosts work, scan and are
// flooded.
func story(seed uint64) []packet.Packet {
	r := rand.New(rand.NewPCG(seed, 3))
	var packets []packet.Packet
	now := begin.UnixNano()
	for range 3000 {
		now += r.Int64N(2e9)
		src := v4(0x0a010000 + r.Uint32N(40))
		dst := v4(0x0a020000 + r.Uint32N(400))
		if r.IntN(4) == 0 {
			src = v4(0xc6336400 + r.Uint32N(20))
		}
		dport := []uint16{445, 22, 80, 443, 3389, 7000}[r.IntN(6)]
		seq, sport := r.Uint32()|4, uint16(1024+r.IntN(60000))
		add := func(from, to netip.AddrPort, f packet.Flags, seq, ack uint32) {
			packets = append(packets, packet.Packet{
				Time: now, Src: ip.FromPort(from), Dst: ip.FromPort(to), Proto: packet.ProtoTCP, Flags: f, Seq: seq, Ack: ack, Number: uint64(len(packets) + 1),
			})
		}
		add(port(src, sport), port(dst, dport), packet.SYN, seq, 0)
		now += r.Int64N(1e6)
		switch {
		case dst.As4()[3]%3 == 0:
			add(port(dst, dport), port(src, sport), packet.SYN|packet.ACK, 1, seq+1)
			add(port(src, sport), port(dst, dport), packet.ACK, seq+1, 2)
		case dst.As4()[3]%3 == 1:
			add(port(dst, dport), port(src, sport), packet.RST|packet.ACK, 0, seq+1)
		}
	}
	return packets
}

func tell(t testing.TB, packets []packet.Packet, cfg Config) *recorder {
	t.Helper()
	rec := &recorder{}
	e := detect.NewEngine(New(rec, zonesOf(t, zone.DefaultInside()), cfg))
	for i := range packets {
		p := packets[i]
		e.Packet(&p)
	}
	e.Close()
	return rec
}

// said strips what may differ between captures of the same events.
func said(rec *recorder) []alert.Alert {
	alerts := append([]alert.Alert(nil), rec.alerts...)
	for i := range alerts {
		alerts[i].Frames = nil
	}
	return alerts
}

// TestCopies shows that a tap that copies each packet twice, the second time
// later and from behind a router, changes nothing.
func TestCopies(t *testing.T) {
	for seed := range uint64(5) {
		packets := story(seed)
		var twice []packet.Packet
		for _, p := range packets {
			twice = append(twice, p)
			p.TTL--
			twice = append(twice, p)
		}
		once, both := tell(t, packets, Config{}), tell(t, twice, Config{})
		if len(once.starts()) == 0 {
			t.Fatal("nothing was found")
		}
		if !reflect.DeepEqual(said(once), said(both)) {
			t.Errorf("seed %d: %v with copies, %v without", seed, summaries(both.starts()), summaries(once.starts()))
		}
	}
}

// TestRepeats shows that SYNs that are repeated change nothing.
func TestRepeats(t *testing.T) {
	packets := story(9)
	var more []packet.Packet
	for _, p := range packets {
		more = append(more, p)
		if p.Flags.IsSYN() {
			more = append(more, p, p)
		}
	}
	if once, again := tell(t, packets, Config{}), tell(t, more, Config{}); !reflect.DeepEqual(said(once), said(again)) {
		t.Errorf("%v with repeats, %v without", summaries(again.starts()), summaries(once.starts()))
	}
}

// TestOrder shows that the order of sources that act at the same time does not
// matter to what is found.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	set := func() map[string]bool {
		b := newBed(t, Config{})
		b.whole()
		for i := range 12 {
			for _, w := range r.Perm(5) {
				b.try(nth(worm, w), nth("10.9.0.1", 20*w+i), 445, refused)
			}
			b.wait(time.Second)
		}
		b.engine.Close()
		found := map[string]bool{}
		for _, s := range summaries(b.rec.starts()) {
			found[s] = true
		}
		return found
	}
	first := set()
	if len(first) != 5 {
		t.Fatalf("%d scanners are found, want 5", len(first))
	}
	for range 5 {
		if again := set(); !reflect.DeepEqual(first, again) {
			t.Errorf("the same packets give %v, then %v", first, again)
		}
	}
}

// TestClockBack shows that a capture whose clock jumps back, as joined ones
// do, invents no scan and stops no detection.
func TestClockBack(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i := range 30 { // in each file, two destinations
		b.sweep("10.1.0.9", nth("10.9.0.1", 2*i).String(), 2, 22, time.Second, always(answered))
		b.now = time.Duration(i%2) * 24 * time.Hour
	}
	b.none()
	b.now = 0
	b.sweep(worm, "10.9.1.1", 10, 445, time.Second, always(refused))
	b.engine.Close()
	if b.one(); b.d.Stats().ClockSet == 0 {
		t.Error("nothing was said of the clock")
	}
	checkLives(t, "clock", b.rec)
}

// TestStray shows that a packet whose time is wrong costs nothing of what is known.
func TestStray(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i := range 6 {
		b.sweep(worm, nth("10.9.1.1", i).String(), 1, 445, 10*time.Second, always(refused))
		now := b.now
		b.now -= 10 * time.Minute
		b.syn(ad("10.1.0.7"), ad("10.9.0.1"), 80)
		b.now = now
	}
	b.engine.Close()
	if b.one(); b.d.Stats().ClockSet != 0 {
		t.Errorf("the clock is said to have been set back %d times", b.d.Stats().ClockSet)
	}
}

// TestClockSetRight shows that a sensor that begins with a clock years ahead forgets
// who contacted whom after a week, once its clock is right.
func TestClockSetRight(t *testing.T) {
	b := newBed(t, Config{})
	again := func(scans int) {
		t.Helper()
		b.sweep(worm, "10.9.1.1", 10, 445, time.Second, always(refused))
		if n := len(b.rec.starts()); n != scans {
			t.Fatalf("after %v %d scans, want %d", b.now, n, scans)
		}
	}
	b.now = 9 * 365 * 24 * time.Hour
	b.whole()
	again(1)
	b.now = 0
	for range 10 {
		b.wait(time.Second)
	}
	again(1) // the same contacts as a moment ago
	b.now += 8 * 24 * time.Hour
	again(2)
}

// FuzzDetector gives the detector any packets, with tables so small that all
// limits are met. It must not panic, and say the same thing twice.
func FuzzDetector(f *testing.F) {
	f.Add([]byte("\x02\x01\x02\x03\x04\x05\x12\x02\x01\x03\x04\x05"))
	f.Add(make([]byte, 600))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := Config{MaxSources: 8, MaxNewcomers: 16, MaxAttempts: 16, MaxContacts: 1 << 10}
		packets := decode(data)
		rec := tell(t, packets, cfg)
		if again := tell(t, packets, cfg); !reflect.DeepEqual(rec, again) {
			t.Fatal("a second run says something else")
		}
		checkLives(t, "fuzz", rec)
	})
}

// decode makes packets of six bytes each.
func decode(data []byte) []packet.Packet {
	var packets []packet.Packet
	now := begin.UnixNano()
	for ; len(data) >= 6; data = data[6:] {
		now += (int64(data[0]) - 8) * int64(data[0]) * 1e7
		p := packet.Packet{
			Time: now, Proto: packet.ProtoTCP, Flags: packet.Flags(data[1]), Ack: uint32(data[5] >> 6),
			Src: ip.FromPort(port(v4(0x0a000000|uint32(data[2])), []uint16{40000, 445}[data[5]&1])),
			Dst: ip.FromPort(port(v4(0x0a000000|uint32(data[3])<<6), []uint16{445, 40000, 22, 7}[data[4]&3])),
		}
		if data[4]&0x40 != 0 {
			p.Src = ip.AddrPort{Addr: ip.Addr{Hi: 0xfd << 56, Lo: uint64(data[2])}, Port: p.Src.Port}
			p.Dst = ip.AddrPort{Addr: ip.Addr{Hi: 0xfd << 56, Lo: uint64(data[3]) << 6}, Port: p.Dst.Port}
		}
		if data[4]&0x80 != 0 {
			p.Proto = packet.ProtoICMP
			p.ICMP = packet.ICMP{
				Type: 3, Code: data[1] & 7, HasInner: true, InnerProto: packet.ProtoTCP, InnerSrc: p.Src, InnerDst: p.Dst,
			}
		}
		packets = append(packets, p)
	}
	return packets
}
