package scan

import (
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// TestOutsideLeavesRoom: who scans from very many addresses outside, or forges that,
// does not hide what scans inside.
func TestOutsideLeavesRoom(t *testing.T) {
	b := newBed(t, Config{})
	for range 6 {
		for i := range maxFindings {
			b.try(nth("198.18.0.1", i), nth("10.0.0.1", 8*i+int(b.now/time.Second)%8), 445, refused)
		}
		b.now += time.Second
	}
	for i := range 50 {
		for p := range uint16(verticalPorts) {
			b.try(nth("198.19.0.1", i), nth("10.100.0.1", i), 2000+p, refused)
		}
	}
	if outside := len(b.rec.starts()); outside != maxOutside {
		t.Errorf("%d alerts of sources outside, want %d", outside, maxOutside)
	}
	if b.d.Stats().Unsaid == 0 {
		t.Error("it is not counted that there were more")
	}
	const scanner = "10.200.0.1"
	b.sweep(scanner, "10.201.0.1", 30, 445, 300*time.Millisecond, always(open))
	b.wait(6 * time.Second)
	if last := b.rec.starts()[len(b.rec.starts())-1]; last.Host != ad(scanner) {
		t.Errorf("the last alert is about %s, want the scanner inside", last.Host)
	}
	b.wait(time.Hour)
	if n := b.d.Stats().Open; n != 0 {
		t.Fatalf("%d alerts are open after an hour", n)
	}
	before := len(b.rec.starts())
	for i := range 6 {
		b.try(ad("203.0.113.9"), nth("10.202.0.1", i), 445, refused)
	}
	if starts := b.rec.starts(); len(starts) != before+1 || starts[before].Name != alert.NameExternal {
		t.Error("no room for a source outside when those before are quiet")
	}
}

// TestNoRoomIsCounted: where alerts are open about all sources that are remembered, the
// next one is let go, and counted.
func TestNoRoomIsCounted(t *testing.T) {
	p := newPopulation(4, 64, 1024)
	for i := range 5 {
		k := sourceKey{addr: ip.From(nth("10.0.0.1", i)), port: 445}
		h := k.hash(k.addr.Hash())
		s := p.promote(h, p.newcomers.add(h, k), 1)
		if taken := s != nil; taken != (i < 4) {
			t.Fatalf("source %d is remembered: %v", i, taken)
		}
		if s != nil {
			s.finding = 1
		}
	}
	if p.used != 4 || p.evicted != 1 {
		t.Errorf("%d sources, %d let go, want 4 and 1", p.used, p.evicted)
	}
}
