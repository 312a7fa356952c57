package smb

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// TestBounds: tables stay within their limits and count what they drop.
func TestBounds(t *testing.T) {
	rec := &recorder{}
	d := New(rec, Config{MaxFlows: 8, MaxHeads: 2, MaxHosts: 4, MaxAlerts: 4})
	for i := range 100 {
		k := newTalk(uint16(3000 + i))
		ip := k.server.Addr().As4()
		ip[3] = byte(i)
		k.server = netipAddrPort(ip, 445)
		k.open()
		k.ask(order(65, ping))
		k.tell(implantSays(65, 0x10, uint32(i+1)))
		k.send(1, packet.ACK, frame(fail(0x25, 7, 0xC0000205))[:20])
		for j := range k.packets {
			d.Packet(&k.packets[j])
		}
		if d.findings.Len() > 4 || d.hosts.Len() > 4 || d.flows.Len() > 8 {
			t.Fatalf("%d findings, %d hosts, %d flows", d.findings.Len(), d.hosts.Len(), d.flows.Len())
		}
	}
	d.Close(0)
	s := d.Stats()
	if s.AlertsEvicted == 0 || s.HostsEvicted == 0 || s.Messages.NoBuffer == 0 || s.Flow.Evicted == 0 {
		t.Errorf("losses are not counted: %+v", s)
	}
	starts, ends := 0, 0
	for _, a := range rec.alerts {
		switch a.Phase {
		case alert.PhaseStart:
			starts++
		case alert.PhaseEnd:
			ends++
		case alert.PhaseUpdate:
		}
	}
	if starts != 100 || ends != 100 {
		t.Errorf("%d starts, %d ends, want 100 of each", starts, ends)
	}
}

// TestIdleHeads: connections that stop in the middle of a message, which cost who
// forges them a segment each, do not keep the messages of others from being read.
func TestIdleHeads(t *testing.T) {
	rec := &recorder{}
	d := New(rec, Config{MaxHeads: 8})
	var segments []packet.Packet
	for i := range 20 {
		k := newTalk(uint16(3000 + i))
		k.send(0, packet.ACK, frame(order(65, ping))[:20])
		segments = append(segments, k.packets...)
	}
	k := newTalk(2000).open()
	for _, b := range slices.Concat(frame(ntTrans(64, 0, 66512, 900)), frame(secondary(0x33, 64, 0))) {
		k.send(0, packet.ACK, []byte{b})
	}
	for _, p := range append(segments, k.packets...) {
		d.Packet(&p)
	}
	if len(rec.alerts) != 1 || rec.alerts[0].Name != eternalBlue {
		t.Errorf("%d alerts, want that of the exploit", len(rec.alerts))
	}
	if n := d.Stats().Messages.NoBuffer; n != 13 {
		t.Errorf("%d messages were given up, want 13: twenty, and one for the exploit's, less eight", n)
	}
}

// TestClosedWaitForNothing: connections that were closed are not kept until time
// passes, which it may not do.
func TestClosedWaitForNothing(t *testing.T) {
	d := New(&recorder{}, Config{MaxFlows: 8})
	for i := range 10_000 {
		k := newTalk(uint16(3000 + i))
		k.send(0, packet.ACK, frame(pipe(7, 0x23, 0)))
		d.Packet(&k.packets[0])
	}
	if waiting, room := len(d.waiting), cap(d.waiting); d.flows.Len() != 8 || waiting > 32 || room > 32 {
		t.Errorf("%d connections are open, and %d of %d wait", d.flows.Len(), waiting, room)
	}
	d.Tick(1_495_000_000e9 + 2*replyWait)
	if len(d.waiting) != 0 {
		t.Errorf("%d wait when their time is over", len(d.waiting))
	}
}

// TestHurry: what a host does after a mark, or has done to it, is said at once.
func TestHurry(t *testing.T) {
	for _, marked := range []string{"10.1.0.7", "10.1.0.9", "10.1.0.8"} {
		rec := &recorder{}
		d := New(rec, Config{})
		for i := range 4 {
			if i == 2 {
				d.Hurry(map[netip.Addr]bool{netip.MustParseAddr(marked): true})
			}
			k := newTalk(uint16(3000 + i)).open()
			k.now += int64(i) * 1e9
			k.ask(order(65, ping))
			k.tell(fail(0x32, 65, 0xC0000002))
			k.send(0, packet.FIN|packet.ACK, nil)
			for j := range k.packets {
				d.Packet(&k.packets[j])
			}
		}
		want := 2
		if marked == "10.1.0.8" {
			want = 1
		}
		if n := len(rec.alerts); n != want {
			t.Errorf("%s marked: %d words, want %d", marked, n, want)
		}
	}
}

// TestSteadyAllocatesNothing: SMB data costs no allocation, nor does what is
// not SMB.
func TestSteadyAllocatesNothing(t *testing.T) {
	d := New(&recorder{}, Config{})
	k := newTalk(2000).open()
	for i := range k.packets {
		d.Packet(&k.packets[i])
	}
	big := frame(message{command: 0x2E, mid: 9, reply: true, words: make([]byte, 24), bytes: make([]byte, 60_000)}.encode())
	other := packet.Packet{Src: ip.FromPort(netipAddrPort([4]byte{1, 1, 1, 1}, 80)), Dst: ip.FromPort(netipAddrPort([4]byte{1, 1, 1, 2}, 5000)), Proto: packet.ProtoTCP}
	n := testing.AllocsPerRun(50, func() {
		k.packets = k.packets[:0]
		for at := 0; at < len(big); at += 1460 {
			p := packet.Packet{
				Time: k.now, Src: ip.FromPort(k.server), Dst: ip.FromPort(k.client), Proto: packet.ProtoTCP, Flags: packet.ACK,
				Seq: k.seq[1], Payload: big[at:min(at+1460, len(big))],
			}
			p.PayloadLen = len(p.Payload)
			k.seq[1] += uint32(p.PayloadLen)
			k.now += 1e4
			d.Packet(&p)
		}
		d.Packet(&other)
	})
	if n != 0 {
		t.Errorf("%v allocations for a large message, want none", n)
	}
}

// TestOrdinaryAllocatesNothing: nor do ordinary requests and their replies on a
// connection that something of interest was seen on.
func TestOrdinaryAllocatesNothing(t *testing.T) {
	const runs, packets = 100, 7
	k := newTalk(2000).open()
	k.ask(pipe(1, 0x23, 0))
	k.ask(trans(0x25, 2, 0, 5000, 100))
	before := len(k.packets)
	answer := message{reply: true, words: make([]byte, 20)}
	for range runs + 1 {
		k.ask(trans(0x32, 64, 0, 0, 0, 5))
		answer.command, answer.mid = 0x32, 64
		k.tell(answer.encode())
		k.ask(pipe(65, 0x26, 0x4000))
		answer.command, answer.mid = 0x25, 65
		k.tell(answer.encode())
		k.ask(write(66, 0x4000))
		k.ask(trans(0x25, 67, 0, 5000, 100))
		k.tell(fail(0x25, 67, 0xC0000022))
	}
	d := New(&recorder{}, Config{})
	feed := func(list []packet.Packet) {
		for i := range list {
			d.Packet(&list[i])
		}
	}
	feed(k.packets[:before])
	rest := k.packets[before:]
	if n := testing.AllocsPerRun(runs, func() { feed(rest[:packets]); rest = rest[packets:] }); n != 0 {
		t.Errorf("%v allocations for a round of transactions, want none", n)
	}
}

func BenchmarkOther(b *testing.B) {
	d := New(&recorder{}, Config{})
	p := packet.Packet{Src: ip.FromPort(netipAddrPort([4]byte{1, 1, 1, 1}, 80)), Dst: ip.FromPort(netipAddrPort([4]byte{1, 1, 1, 2}, 5000)), Proto: packet.ProtoTCP}
	for b.Loop() {
		d.Packet(&p)
	}
}

// BenchmarkData reads segments of a large SMB1 transfer.
func BenchmarkData(b *testing.B) {
	d := New(&recorder{}, Config{})
	k := newTalk(2000).open()
	for i := range k.packets {
		d.Packet(&k.packets[i])
	}
	big := frame(message{command: 0x2E, mid: 9, reply: true, words: make([]byte, 24), bytes: make([]byte, 60_000)}.encode())
	at := 0
	for b.Loop() {
		p := packet.Packet{
			Time: k.now, Src: ip.FromPort(k.server), Dst: ip.FromPort(k.client), Proto: packet.ProtoTCP, Flags: packet.ACK,
			Seq: k.seq[1], Payload: big[at:min(at+1460, len(big))],
		}
		p.PayloadLen = len(p.Payload)
		if at += p.PayloadLen; at >= len(big) {
			at = 0
		}
		k.seq[1] += uint32(p.PayloadLen)
		d.Packet(&p)
	}
}

// BenchmarkOpenFlows says how much memory 200,000 open connections take: that
// are between two messages, as nearly all are, and at worst, where each waits
// for the reply to a check and has stopped in the middle of a message.
func BenchmarkOpenFlows(b *testing.B) {
	b.Run("ordinary", func(b *testing.B) {
		benchmarkOpen(b, func(k *talk) { k.ask(pipe(7, 0x26, 0x4000)) })
	})
	b.Run("worst", func(b *testing.B) {
		benchmarkOpen(b, func(k *talk) {
			k.ask(pipe(7, 0x23, 0))
			k.send(0, packet.ACK, frame(order(65, ping))[:40])
		})
	})
}

func benchmarkOpen(b *testing.B, do func(*talk)) {
	b.Helper()
	const flows = 200_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := New(quiet{}, Config{})
		for i := range flows {
			k := newTalk(1025)
			k.client = netipAddrPort([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}, 1025)
			k.open()
			do(k)
			for j := range k.packets {
				d.Packet(&k.packets[j])
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if n := d.flows.Len(); n != flows {
			b.Fatalf("%d flows", n)
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/flows, "B/flow")
		runtime.KeepAlive(d)
	}
}

// quiet forgets what it is told.
type quiet struct{}

func (quiet) Alert(alert.Alert) {}
func (quiet) Fact(alert.Fact)   {}
