// Package flow puts the segments of TCP connections in order again, for the
// protocols that detection reads from a stream: DNS over TCP, and SMB. It
// takes what a span port gives it: any size of segment, copies,
// retransmissions, overlaps, losses, connections that began before the
// capture, and taps that see one direction only.
//
// Everything is bounded, and what is lost at a bound is counted in Stats:
//
//   - Connections with data: Config.MaxFlows; the one idle longest makes room.
//   - Connections without data so far: how they began is kept apart from the others,
//     so that a flood pushes out none that is in use. Those that were accepted have
//     a sixteenth of MaxFlows places for each of IPv4 and IPv6, for ten minutes;
//     those that were only asked for have about two thousand.
//   - Bytes that wait for an earlier segment: Config.MaxWait for a direction
//     and Config.MaxWaitAll together. At the bound the segment is given up and
//     the stream goes on behind it.
//   - Time: a segment is given up after 100 ms of packet time without progress
//     when the receiver has acknowledged it (then the capture lost it), after
//     5 s in any case. A connection that is over is kept for a minute, and of
//     those 65,536, for what comes late, and in case it goes on.
//
// Where segments overlap with different bytes the first captured wins.
//
// Begin with Table.Packet (this file). How a connection began is in opening.go. The bytes
// of its segments go through stream.go, where those that came too early wait (queue.go).
// A connection that has ended is kept for a while by over.go.
package flow

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/lru"
)

// Dir is a direction of a connection.
type Dir uint8

// The directions.
const (
	FromOrig Dir = iota // from who opened the connection
	FromResp
)

// Info says which connection a Consumer is for.
type Info struct {
	Orig, Resp netip.AddrPort
	VLAN       uint16 // of the first segment that had data
	// Guessed says that no opening was seen: Resp is the end with one of
	// Config.Ports, or who received the first segment.
	Guessed bool
}

// Segment says where bytes came from.
type Segment struct {
	Time  int64 // Unix nanoseconds
	Frame alert.FrameRef
}

// A Consumer takes the two streams of one connection.
type Consumer interface {
	// Data takes the next bytes of a direction; b is borrowed for the call.
	Data(dir Dir, b []byte, at Segment)
	// Gap says that the next n bytes of a direction are lost; 0 when it is
	// not known how many.
	Gap(dir Dir, n int)
	// Close says that no more will come.
	Close()
}

// Config bounds a Table. The zero value of a field means its default.
type Config struct {
	MaxFlows   int           // connections with data; default 200,000
	MaxWait    int           // bytes of a direction that wait for an earlier segment; default 256 KiB
	MaxWaitAll int           // bytes that wait in all; default 64 MiB
	Idle       time.Duration // after which a silent connection is over, or up to a hundredth earlier; default 1 h
	Ports      []uint16      // ports of responders, for when no opening was seen

	// Bored and Dull spare consumers bytes that would change nothing for them, such
	// as most of a file that is copied: Bored reports whether a consumer has no use
	// for dull bytes as the next ones of a direction, and Dull whether bytes are
	// dull. A bored consumer gets no Data for a dull segment that comes in order.
	// Both may be nil.
	Bored func(c Consumer, dir Dir) bool
	Dull  func(b []byte) bool
}

// withDefaults returns the configuration with its defaults filled in.
func (c Config) withDefaults() Config {
	if c.MaxFlows == 0 {
		c.MaxFlows = 200_000
	}
	if c.MaxWait == 0 {
		c.MaxWait = 256 << 10
	}
	if c.MaxWaitAll == 0 {
		c.MaxWaitAll = 64 << 20
	}
	if c.Idle == 0 {
		c.Idle = time.Hour
	}
	return c
}

// Stats counts what a Table did and what it lost.
type Stats struct {
	Flows      uint64 // connections that had data
	Midstream  uint64 // of these, without their opening
	Evicted    uint64 // connections ended early to make room
	Forgotten  uint64 // openings that were accepted, dropped to make room
	Expired    uint64 // connections ended because they were idle
	Repeated   uint64 // segments that held nothing new
	OutOfOrder uint64 // segments that had to wait
	Revived    uint64 // times that a connection went on after its end
	Gaps       uint64 // times that a stream went on behind lost bytes
	GapBytes   uint64 // bytes lost, as far as is known
	OverLimit  uint64 // of Gaps, those because of MaxWait or MaxWaitAll
	Resyncs    uint64 // times that a sequence number jumped back beyond reason
	Waiting    int    // bytes that wait now, with their cost of storage
}

// Table holds the connections. Make it with New. It is not safe for use by
// several goroutines.
type Table struct {
	cfg     Config
	step    int64 // how exactly idle time is known, nanoseconds: to put a connection in its place costs several looks into memory
	open    func(Info) Consumer
	secret  [2]uint64 // seeds of the hash of keys
	flows   *lru.Table[key, flow]
	openers openings
	over    *lru.Table[key, int64] // connections that are marked as over, and since when
	waiting []*lru.Entry[key, flow]
	stats   Stats
}

// flow is a connection that had data. With its key and its place in the order
// of use it takes two cache lines. What a segment without data needs stands
// first, in the line of the key.
type flow struct {
	touched int64     // packet time, in steps of Table.step
	acked   [2]uint32 // what the other end has acknowledged, valid when hasAck
	has     [2]mark
	orig    side
	over    bool  // in Table.over
	waitAt  int32 // index in Table.waiting, plus one; 0 when nothing waits

	halves   [2]half
	queues   [2]*queue // what waits for earlier bytes, nil when nothing does
	consumer Consumer
}

const clockBack = detect.ClockBack

// New makes a table that asks open for the consumer of each connection when
// its first data comes; open may return nil for one that is of no interest.
func New(cfg Config, open func(Info) Consumer) *Table {
	cfg = cfg.withDefaults()
	t := &Table{cfg: cfg, step: int64(cfg.Idle / 100), open: open, secret: [2]uint64{secretSeed(), secretSeed()}, openers: newOpenings(askedPlaces, cfg.MaxFlows/16)}
	hash := func(k key) uint64 { return k.hash(t.secret[0], t.secret[1]) }
	t.flows = lru.NewHashed[key, flow](cfg.MaxFlows, hash)
	t.over = lru.NewHashed[key, int64](overLimit, hash)
	return t
}

// Stats returns what was counted so far.
func (t *Table) Stats() Stats {
	s := t.stats
	s.Forgotten = t.openers.forgotten()
	return s
}

// Len returns how many connections with data are open.
func (t *Table) Len() int { return t.flows.Len() }

// Packet takes a TCP segment.
func (t *Table) Packet(p *packet.Packet) {
	var k key
	from := k.of(p)
	h := k.hash(t.secret[0], t.secret[1])
	e := find(t.flows, &k, h)
	if p.Flags.Has(packet.SYN) {
		if t.opens(e, &k, h, from, p) {
			return
		}
		e = find(t.flows, &k, h) // it may have been ended
	}
	if e != nil && e.Value.over && p.PayloadLen > 0 {
		e = t.afterEnd(e, &k, h, from, p)
	}
	if e == nil {
		if p.PayloadLen == 0 || p.Flags.Has(packet.RST) {
			return
		}
		if e = t.begin(&k, h, from, p); e == nil {
			return
		}
	}
	f := &e.Value
	if by := p.Time - f.touched; by >= t.step || by < -clockBack {
		f.touched = p.Time
		t.flows.Touch(e)
	}
	t.segment(e, from, p)
}

// opens notes the opening of a connection, and reports whether the segment is
// dealt with: one that carries data, or belongs to a connection that has data
// already, is not.
func (t *Table) opens(e *lru.Entry[key, flow], k *key, h uint64, from side, p *packet.Packet) bool {
	answer := p.Flags.Has(packet.ACK)
	done := p.PayloadLen == 0
	if e != nil {
		f := &e.Value
		switch {
		case f.has[from].any(started) && p.Seq+1 == f.halves[from].first:
			return done // a copy
		case answer && !t.openers.asks(k, h, from, p): // on the ports of one that has data
			return false
		case !answer && f.has[1-from].any(started):
			done = true // Anyone can send a SYN: it counts when the other end accepts it.
		default:
			t.end(e)
		}
	}
	if answer {
		t.openers.accept(k, h, from, p)
	} else {
		t.openers.ask(k, h, from, p)
	}
	return done
}

// begin makes the flow of a connection's first data, or returns nil when nobody
// wants it.
func (t *Table) begin(k *key, h uint64, from side, p *packet.Packet) *lru.Entry[key, flow] {
	f := flow{touched: p.Time}
	guessed := true
	if how, ok := t.openers.take(k, h, p.Time); ok {
		for s := range how.isn {
			if how.seen[s] {
				f.start(side(s), how.isn[s]+1)
			}
		}
		f.orig, guessed = how.orig, false
	} else {
		f.orig = t.guess(k, from)
	}
	info := Info{Orig: k.end(f.orig).Netip(), Resp: k.end(1 - f.orig).Netip(), VLAN: p.VLAN, Guessed: guessed}
	if f.consumer = t.open(info); f.consumer == nil {
		return nil
	}
	if t.flows.Full() {
		t.makeRoom()
	}
	t.stats.Flows++
	if guessed {
		t.stats.Midstream++
	}
	e := t.flows.Add(*k)
	e.Value = f
	return e
}

// guess says who opened a connection whose opening was not seen: the end
// without a responder's port, or else who sent first.
func (t *Table) guess(k *key, from side) side {
	served := [2]bool{t.serves(k.end(0).Port), t.serves(k.end(1).Port)}
	if served[0] == served[1] {
		return from
	}
	if served[0] {
		return 1
	}
	return 0
}

// serves reports whether a port is one of Config.Ports.
func (t *Table) serves(port uint16) bool {
	return slices.Contains(t.cfg.Ports, port)
}

// Tick gives up what waited too long and ends what is idle.
func (t *Table) Tick(now int64) {
	for _, e := range slices.Backward(t.waiting) { // giveUp may take e away and put the last in its place
		t.giveUp(e, now)
	}
	for e := t.flows.Oldest(); e != nil && now-e.Value.touched > int64(t.cfg.Idle); e = t.flows.Oldest() {
		t.stats.Expired++
		t.end(e)
	}
	t.endOver(now)
}

// Close ends every connection, the one idle longest first.
func (t *Table) Close() {
	for e := t.flows.Oldest(); e != nil; e = t.flows.Oldest() {
		t.end(e)
	}
}

// end gives out what still waits and takes the connection out of the table.
func (t *Table) end(e *lru.Entry[key, flow]) {
	for s := range e.Value.queues {
		for e.Value.queues[s] != nil {
			t.skip(e, side(s))
		}
	}
	e.Value.consumer.Close()
	if e.Value.over {
		t.over.Remove(t.over.Get(e.Key))
	}
	t.flows.Remove(e)
}

// makeRoom ends the connection that is over for longest, or else the one that
// is idle for longest.
func (t *Table) makeRoom() {
	if o := t.over.Oldest(); o != nil {
		t.end(t.flows.Get(o.Key))
		return
	}
	t.stats.Evicted++
	t.end(t.flows.Oldest())
}

// Open returns how many connections the table holds, and how many it can.
func (t *Table) Open() (n, limit int) { return t.flows.Len(), t.flows.Limit() }
