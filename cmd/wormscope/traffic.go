package main

import (
	"fmt"
	"net/netip"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/detect/zone"
)

// traffic counts frames, whether detectors looked at them or not.
type traffic struct {
	first, last int64  // packet times, Unix nanoseconds
	frames      uint64 // handed to the decoder
	bytes       uint64 // on the wire, of these
	leftOut     uint64 // frames left out by the user's filter
	inside      inside // the most that was seen
	panics      uint64 // frames at which this program panicked
	panicAt     string // the first panic, and at which frame
}

// note notes the frames of a run.
func (t *traffic) note(r *capture.Run) { t.span(r.N, r.Sum.Len, r.Sum.Oldest, r.Sum.Newest) }

// noteFrame notes a single frame.
func (t *traffic) noteFrame(f *capture.Frame) { t.span(1, int64(f.Len), f.Time, f.Time) }

// span counts frames and widens the span of time that was seen.
func (t *traffic) span(frames int, bytes, oldest, newest int64) {
	if t.frames == 0 {
		t.first, t.last = oldest, newest
	}
	t.frames += uint64(frames) //nolint:gosec // G115: never negative
	t.bytes += uint64(bytes)   //nolint:gosec // G115: the same
	t.first, t.last = min(t.first, oldest), max(t.last, newest)
}

// wantsAll reports whether all of the next frames are to be decoded, in search of
// an inside address. As long as none is found, that is one batch in sixteen.
func (t *traffic) wantsAll() bool { return t.inside != someInside && t.frames/batchSize%16 == 0 }

// lookInside notes whether the traffic has an inside address at all, which
// tells a capture of the wrong network from a quiet one.
func (p *pipeline) lookInside(pkt *packet.Packet) {
	p.traffic.inside = max(p.traffic.inside, insideOf(p.zones, pkt))
}

// inside says which inside addresses there are. Link-local ones are in every
// network, whoever's it is: they tell nothing.
type inside uint8

const (
	noneInside inside = iota
	linkLocalInside
	someInside
)

// insideOf says which inside addresses a packet is to or from.
func insideOf(zones *zone.Map, pkt *packet.Packet) inside {
	most := noneInside
	for _, a := range [...]netip.Addr{pkt.Src.Addr.Netip(), pkt.Dst.Addr.Netip()} {
		switch {
		case !zones.Inside(a):
		case !a.IsLinkLocalUnicast():
			return someInside
		default:
			most = linkLocalInside
		}
	}
	return most
}

// add adds other counts to t's.
func (t *traffic) add(o *traffic) {
	if o.frames > 0 {
		if t.frames == 0 {
			t.first, t.last = o.first, o.last
		}
		t.first, t.last = min(t.first, o.first), max(t.last, o.last)
	}
	t.frames += o.frames
	t.bytes += o.bytes
	t.leftOut += o.leftOut
	t.inside = max(t.inside, o.inside)
	if t.panics == 0 {
		t.panicAt = o.panicAt
	}
	t.panics += o.panics
}

// panicked counts a panic at a frame.
func (t *traffic) panicked(reason any, f *capture.Frame, names names) {
	if t.panics == 0 {
		t.panicAt = fmt.Sprintf("%v at frame %d of %s", reason, f.Number, names.Name(f.File))
	}
	t.panics++
}
