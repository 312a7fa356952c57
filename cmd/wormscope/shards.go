package main

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"wormscope/capture"
	"wormscope/capture/filter"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/packet"
	"wormscope/capture/ring"
	"wormscope/detect"
	"wormscope/detect/zone"
	"wormscope/ioc"
)

// A parcel is full when it has parcelPackets or parcelBytes; its last packet may go
// beyond the latter. parcels is how many each ring has, which is how far the merger may
// fall behind before rings fill.
const (
	parcelPackets = 512
	parcelBytes   = 128 << 10
	parcels       = 32
)

// idleShard is after how long without frames a shard sends what it has, with the
// time that its ring has got to.
const idleShard = 25 * time.Millisecond

// Shards read the rings of a run, one goroutine each. They decode frames and pass
// on, in parcels to the merger, the packets that a detector may need.
// kernelfilter.Judge says why no detector misses the others.
type shards struct {
	all   []*shard
	out   chan *parcel // has room for all parcels, so that sending never waits
	quit  chan struct{}
	known atomic.Pointer[ioc.Set] // the indicators in use
	stop  func()                  // ends the capture
	wait  sync.WaitGroup
}

// A shard reads one ring.
type shard struct {
	of      *shards
	ring    source
	free    chan *parcel
	only    *filter.Filter // nil for all
	zones   *zone.Map
	decoder *packet.Decoder
	judge   *kernelfilter.Judge
	looked  uint64        // frames that only, the user's filter, let through
	inside  inside        // the most that was seen
	latest  moment        // how far the ring has got
	frames  capture.Run   // the frames in work, read together
	taken   int           // how many of these were processed
	frame   capture.Frame // the latest of them
	packet  packet.Packet
}

// A parcel is what a shard sends the merger at once. The payloads of its packets
// are copies, in its own memory. The merger gives it back when it is done with it.
type parcel struct {
	from    int // number of the shard
	packets []packet.Packet
	payload []byte       // memory of the packets' payloads
	traffic traffic      // of all frames, those not passed on included
	notes   []frameNotes // by Frame.File, the interface
	decoded packet.Stats // of the shard since its start
	until   moment       // later packets of this ring are not older, unless the kernel delivered them late; those of the parcel are of the same turn
	err     error        // why this is the last parcel, io.EOF for the end; nil while more follow
}

// frameNotes are what the state folder keeps about the frames of an interface.
type frameNotes struct {
	frames      uint64
	first, last int64
	undecoded   map[string]uint64
	notIP       uint64
}

// newShards makes the shards of a source. They read nothing before start.
func newShards(source *ring.Source, p *pipeline, interfaces int) *shards {
	rings := source.Rings()
	s := &shards{out: make(chan *parcel, len(rings)*parcels), quit: make(chan struct{}), stop: source.Stop}
	s.known.Store(p.set)
	for i, r := range rings {
		one := &shard{
			of: s, ring: r, free: make(chan *parcel, parcels), only: p.only, zones: p.zones,
			decoder: packet.NewDecoder(), judge: kernelfilter.NewJudge(keptPorts()),
		}
		for range parcels {
			one.free <- &parcel{from: i, notes: make([]frameNotes, interfaces)}
		}
		s.all = append(s.all, one)
	}
	return s
}

// start begins to read.
func (s *shards) start() {
	for _, one := range s.all {
		s.wait.Go(one.run)
	}
}

// use replaces the indicators. Any goroutine may call it, on nil too.
func (s *shards) use(set *ioc.Set) {
	if s != nil {
		s.known.Store(set)
	}
}

// close ends reading, whatever is left in the rings. The merger must take no
// parcels after it.
func (s *shards) close() {
	s.stop()
	close(s.quit)
	s.wait.Wait()
}

// run reads the ring until it ends.
func (s *shard) run() {
	runtime.LockOSThread() // as watchLive does
	defer runtime.UnlockOSThread()
	for {
		var b *parcel
		select {
		case b = <-s.free:
		case <-s.of.quit:
			return
		}
		err := s.fill(b)
		if errors.Is(err, capture.ErrIdle) {
			err = nil
			if now := s.latest.then(time.Now().Add(-settled).UnixNano()); now.turn == s.latest.turn || len(b.packets) == 0 {
				s.latest = now
			}
		}
		b.until, b.err, b.decoded = s.latest, err, s.decoder.Stats()
		s.of.out <- b
		if err != nil {
			return
		}
	}
}

// fill reads frames until the parcel is full, has a slice of packet time or
// batchSize frames were read, or the ring returns an error, capture.ErrIdle
// included. A panic in the decoder costs the one frame.
func (s *shard) fill(b *parcel) (err error) {
	defer func() {
		if r := recover(); r != nil {
			f := &s.frame
			b.traffic.panicked(r, f, s.ring)
			b.note(f).undecoded[internalError]++
		}
	}()
	var begin int64
	for i := 0; i < batchSize && len(b.packets) < parcelPackets && len(b.payload) < parcelBytes; i++ {
		f := &s.frame
		if s.taken >= s.frames.N {
			if err := readRun(s.ring, &s.frames, f, capture.MaxRun); err != nil {
				return err
			}
			s.taken = 0
		}
		s.frames.Frame(s.taken, f)
		now := s.latest.then(f.Time)
		if now.turn != s.latest.turn && i > 0 {
			break // the frame goes into the next parcel
		}
		s.taken++ // now, so that a panic costs no other
		s.latest = now
		s.take(f, b)
		if i == 0 {
			begin = f.Time
		} else if f.Time-begin >= int64(slice) {
			break
		}
	}
	return nil
}

// A moment is a point in the time of a ring. When the clock is set back, another
// turn begins, so that moments never go back. All rings of a run have the same
// clock and therefore the same turns.
type moment struct {
	turn int   // how often the clock was set back before
	time int64 // Unix nanoseconds
}

// before reports whether m is earlier than other.
func (m moment) before(other moment) bool {
	return m.turn < other.turn || m.turn == other.turn && m.time < other.time
}

// then returns the moment that a ring at m gets to by a frame of the given time,
// in Unix nanoseconds. A frame that is a little late does not change it.
func (m moment) then(time int64) moment {
	if time < m.time && m.time-time > detect.ClockBack {
		return moment{m.turn + 1, time}
	}
	return moment{m.turn, max(m.time, time)}
}

// take counts and decodes a frame, and adds the packet to the parcel if a
// detector may need it.
func (s *shard) take(f *capture.Frame, b *parcel) {
	if s.only != nil && !s.only.Match(f) {
		b.traffic.leftOut++
		return
	}
	s.looked++
	b.traffic.noteFrame(f)
	n := b.note(f)
	if o := s.decoder.Decode(f, &s.packet); o != packet.OK {
		switch {
		case o == packet.NotIP:
			n.notIP++
		case o.Failure():
			n.undecoded[undecodedReason(f, o)]++
		}
		return
	}
	p := &s.packet
	if s.inside != someInside && (s.looked < batchSize || s.looked%64 == 0) {
		s.inside = max(s.inside, insideOf(s.zones, p))
		b.traffic.inside = s.inside
	}
	if known := s.of.known.Load(); s.judge.Keeps(p) || !known.Neither(p.Src.Addr, p.Dst.Addr) {
		b.add(p)
	}
}

// add copies a packet into the parcel.
func (b *parcel) add(p *packet.Packet) {
	b.packets = append(b.packets, *p)
	begin := len(b.payload)
	// Where append moves the memory, earlier packets keep their payloads in the old.
	b.payload = append(b.payload, p.Payload...)
	b.packets[len(b.packets)-1].Payload = b.payload[begin:len(b.payload):len(b.payload)]
}

// note counts a frame in the notes of its interface, and returns these.
func (b *parcel) note(f *capture.Frame) *frameNotes {
	n := &b.notes[f.File]
	if n.frames == 0 {
		n.first, n.last = f.Time, f.Time
	}
	if n.undecoded == nil {
		n.undecoded = map[string]uint64{}
	}
	n.frames++
	n.first, n.last = min(n.first, f.Time), max(n.last, f.Time)
	return n
}

// reset empties a parcel for its next use and keeps its memory.
func (b *parcel) reset() {
	b.packets, b.payload, b.traffic, b.err = b.packets[:0], b.payload[:0], traffic{}, nil
	for i := range b.notes {
		n := &b.notes[i]
		clear(n.undecoded)
		*n = frameNotes{undecoded: n.undecoded}
	}
}
