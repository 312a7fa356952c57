package story_test

import (
	"bytes"
	"net/netip"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/cmd/pcapgen/story"
)

// stories are those that have a truth.
func stories() map[string]*story.Institution {
	return map[string]*story.Institution{
		"outbreak": story.Outbreak(), "incident": story.Incident(), "kill": story.Kill(), "six": story.SixOnly(),
		"two segments": story.TwoSegments(), "pipelined": story.Pipelined(),
	}
}

// recount is the truth counted again from the frames.
type recount struct {
	tried    map[netip.Addr]map[netip.Addr]bool // SYN to port 445: source, destination
	accepted map[netip.Addr]map[netip.Addr]bool // SYN-ACK from port 445, likewise
	flooded  map[netip.AddrPort]map[netip.Addr]bool
	exposed  map[netip.Addr]bool
}

func add[K comparable](m map[K]map[netip.Addr]bool, k K, a netip.Addr) {
	if m[k] == nil {
		m[k] = map[netip.Addr]bool{}
	}
	m[k][a] = true
}

// count decodes a story.
func count(t *testing.T, i *story.Institution) recount {
	t.Helper()
	c := recount{map[netip.Addr]map[netip.Addr]bool{}, map[netip.Addr]map[netip.Addr]bool{}, map[netip.AddrPort]map[netip.Addr]bool{}, map[netip.Addr]bool{}}
	d := packet.NewDecoder()
	var p packet.Packet
	for k, r := range i.Trace.Records() {
		o := d.Decode(&capture.Frame{Time: r.At, Data: r.Frame, Len: len(r.Frame), Link: capture.LinkEthernet}, &p)
		if o.Failure() {
			t.Fatalf("frame %d: %v", k+1, o)
		}
		switch {
		case p.Proto != packet.ProtoTCP:
		case p.Flags.IsSYN() && p.Dst.Port == 445:
			add(c.tried, p.Src.Addr.Netip(), p.Dst.Addr.Netip())
		case p.Flags.IsSYN():
			add(c.flooded, p.Dst.Netip(), p.Src.Addr.Netip())
		case p.Flags.IsSYNACK() && p.Src.Port == 445:
			add(c.accepted, p.Dst.Addr.Netip(), p.Src.Addr.Netip())
			c.exposed[p.Src.Addr.Netip()] = true
		}
	}
	return c
}

// What a story says that it planted is in its frames.
func TestTruthIsTrue(t *testing.T) {
	for name, i := range stories() {
		t.Run(name, func(t *testing.T) {
			c := count(t, i)
			for _, s := range i.Truth.Scanners {
				// A scanner that also works has a few more: its file servers.
				tried, accepted := len(c.tried[s.IP]), len(c.accepted[s.IP])
				if tried < s.Targets || tried > s.Targets+3 || accepted-s.Answered != tried-s.Targets {
					t.Errorf("%v tried %d and %d accepted; the truth says %d and %d", s.IP, tried, accepted, s.Targets, s.Answered)
				}
				if s.Answered+s.Refused+s.Silent != s.Targets {
					t.Errorf("%v: outcomes don't add up: %+v", s.IP, *s)
				}
			}
			for _, f := range i.Truth.Floods {
				if got := len(c.flooded[netip.AddrPortFrom(f.IP, f.Port)]); got < f.Sources || got > f.Sources+5 {
					t.Errorf("%d sources flood %v, the truth says %d", got, f.IP, f.Sources)
				}
			}
			for _, e := range i.Truth.Exposed {
				if !c.exposed[e.IP] {
					t.Errorf("%v never answers on 445", e.IP)
				}
			}
			if len(i.Truth.Infected) == 0 {
				t.Error("nobody is infected")
			}
		})
	}
}

// A second telling gives the same bytes.
func TestTellingAgain(t *testing.T) {
	first, second := story.Outbreak().Trace.Records(), story.Outbreak().Trace.Records()
	if len(first) != len(second) {
		t.Fatalf("%d and %d frames", len(first), len(second))
	}
	for k := range first {
		if first[k].At != second[k].At || !bytes.Equal(first[k].Frame, second[k].Frame) {
			t.Fatalf("frame %d differs", k+1)
		}
	}
}
