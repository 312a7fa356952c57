package scan

import (
	"net/netip"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// TestTargetedBefore shows that what answered a scanner before the alarm is
// called targeted at the time and in the frame of its answer, and that what the
// host used before it began to scan is not.
func TestTargetedBefore(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	b.sweep(worm, "10.9.5.1", 3, 445, time.Minute, always(answered))
	b.wait(10 * time.Hour)
	type answer struct {
		at    time.Time
		frame uint64
	}
	answers := map[string]answer{}
	for i := range 12 {
		dst := nth("10.9.0.1", i)
		b.try(ad(worm), dst, 445, every(2, silent)(i))
		if i%2 == 0 {
			answers[dst.String()] = answer{begin.Add(b.now), b.number - 1} // before the ACK
		}
		b.wait(20 * time.Minute)
	}
	b.sweep(worm, "10.9.1.1", 12, 445, time.Minute, always(silent))
	b.engine.Close()
	alarm := b.one()
	told := 0
	for _, f := range b.rec.facts {
		want, ok := answers[f.Host.String()]
		if f.Kind != alert.FactTargeted || !ok {
			t.Errorf("fact %s about %v", f.Kind, f.Host)
			continue
		}
		told++
		if !f.Time.Equal(want.at) || f.Frame.Number != want.frame || !f.Time.Before(alarm.Time) {
			t.Errorf("%v at %v in frame %d, want %v, %d", f.Host, f.Time, f.Frame.Number, want.at, want.frame)
		}
	}
	if told != len(answers) {
		t.Errorf("%d are targeted, want %d", told, len(answers))
	}
}

// TestTargetedByAll shows that all that answered a scan before an alarm by volume are
// called targeted: the worm may be in the first of them.
func TestTargetedByAll(t *testing.T) {
	for _, tt := range []struct {
		gap      time.Duration
		attempts uint64 // before the alarm
	}{{100 * time.Millisecond, 20}, {time.Second, 40}, {4 * time.Second, 80}} {
		b := newBed(t, Config{})
		b.whole()
		for k := range 3 { // each has its ring back in time
			src := nth(worm, k).String()
			b.sweep(src, "10.9.0.1", 95, 445, tt.gap, always(answered))
			b.wait(11 * time.Minute)
		}
		b.engine.Close()
		starts := b.rec.starts()
		if len(starts) != 3 || starts[0].Name != alert.NameFanOut || starts[0].Evidence.Scan.Attempts != tt.attempts {
			t.Errorf("found %q, want three by fan-out after %d attempts", summaries(starts), tt.attempts)
		}
		targeted := map[netip.AddrPort]int{}
		for _, f := range b.rec.facts {
			targeted[netip.AddrPortFrom(f.Host, uint16(f.Peer.As4()[3]))]++
		}
		for i := range 3 * 95 {
			host, by := nth("10.9.0.1", i%95), nth(worm, i/95)
			if n := targeted[netip.AddrPortFrom(host, uint16(by.As4()[3]))]; n != 1 {
				t.Errorf("a gap of %v: %v was called targeted by %v %d times, want once", tt.gap, host, by, n)
			}
		}
		if r := &b.d.rings; len(r.all) > 1 || len(r.free) != len(r.all) {
			t.Errorf("a gap of %v: %d rings, %d of them free", tt.gap, len(r.all), len(r.free))
		}
	}
}

// TestRings moves what is remembered between rings of both sizes.
func TestRings(t *testing.T) {
	var r rings
	var s source
	for i := range 300 {
		o := []outcome{answered, refused}[i%2]
		s.burst = uint32(i % 100)
		if s.burst == 0 {
			r.giveBack(&s)
		}
		s.settle(ip.From(nth("10.0.0.1", i)), o, sight{at: int64(i)}, &r)
		ring := r.of(&s)
		n := min(i+1, fewKnown)
		if s.burst > fewKnown {
			n = min(int(s.burst), i+1, keepKnown)
		}
		for k := i + 1 - n; k <= i; k++ {
			if got := ring[k%len(ring)]; got.at != int64(k) || got.host != ip.From(nth("10.0.0.1", k)) {
				t.Fatalf("of %d, the %d-th is %+v", i, k, got)
			}
		}
	}
	if len(r.all) != 1 {
		t.Errorf("%d rings, want the same each time", len(r.all))
	}
}
