package scan

import (
	"testing"
	"time"

	"wormscope/detect/alert"
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
