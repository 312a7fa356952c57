package scan

import (
	"testing"
	"time"

	"wormscope/detect/alert"
)

// TestFloodPort shows that a flood is of the port that it floods, and begins with
// its first source, whatever hosts tried on other ports of the target just before.
func TestFloodPort(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i, p := range []uint16{445, 88, 445} {
		b.try(client(i), ad(victim), p, answered)
		b.wait(time.Second)
	}
	at := begin.Add(b.now)
	from := scattered("198.18.0.0", 16)
	for i := range 3000 {
		b.syn(from(i), ad(victim), 443)
		b.wait(10 * time.Millisecond)
	}
	floods := floodsOf(b)
	if len(floods) != 1 || floods[0].Evidence.Flood.Port != 443 {
		t.Fatalf("said %d floods, want one, of port 443", len(floods))
	}
	// The first two of the flood take the votes of those before.
	if late := floods[0].First.Sub(at); late < 0 || late > 100*time.Millisecond {
		t.Errorf("it begins %v after its first packet", late)
	}
}

// TestFloodOfManyPorts shows that a flood of many ports is of none alone, though one
// has more than any other.
func TestFloodOfManyPorts(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	from := scattered("198.18.0.0", 16)
	for i := range 3000 {
		p := uint16(443)
		if i%3 == 0 {
			p = uint16(1000 + i)
		}
		b.syn(from(i), ad(victim), p)
		b.wait(10 * time.Millisecond)
	}
	if floods := floodsOf(b); len(floods) != 1 || floods[0].Evidence.Flood.Port != 0 {
		t.Fatalf("said %d floods, want one, of many ports", len(floods))
	}
}

// TestFloodBlamesNobody shows that a flood names none of its sources, most of which are
// forged: a receiver of events would take the one that it names for the culprit.
func TestFloodBlamesNobody(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	from := scattered("198.18.0.0", 16)
	for i := range 3000 {
		b.syn(from(i), ad(victim), 443)
		b.wait(10 * time.Millisecond)
	}
	floods := floodsOf(b)
	if len(floods) != 1 {
		t.Fatalf("said %d floods, want one", len(floods))
	}
	if a := floods[0]; a.Orig.IsValid() || a.Resp.Addr() != a.Host || a.Resp.Port() != 443 {
		t.Errorf("a flood from %v to %v, want no source, and the target %v", a.Orig, a.Resp, a.Host)
	}
}

// floodsOf returns the floods that were said to begin.
func floodsOf(b *bed) (floods []alert.Alert) {
	for _, a := range b.rec.starts() {
		if a.Rule == alert.RuleFlood {
			floods = append(floods, a)
		}
	}
	return floods
}
