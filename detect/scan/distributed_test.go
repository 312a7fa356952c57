package scan

import (
	"testing"
	"time"
	"unsafe"
)

// TestDistributedOutcomes shows that a distributed scan comes to what its
// attempts did.
func TestDistributedOutcomes(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	came := [...]outcome{refused, refused, silent, refused, silent, refused, refused, answered}
	for i := range 400 {
		b.try(nth("198.18.0.1", i*301), nth("10.9.0.0", i*37%256), 23, came[i%len(came)])
		b.wait(time.Second)
	}
	b.wait(2 * time.Hour)
	a := b.rec.starts()[0]
	if s := a.Evidence.Scan; a.Count != s.Answered+s.Refused+s.Silent || s.Answered == 0 || s.Silent == 0 {
		t.Errorf("at the alarm: %d attempts, %s", a.Count, summary(&a))
	}
	end, s := b.last()
	if end.Count != 400 || s.Answered != 50 || s.Refused != 250 || s.Silent != 100 {
		t.Errorf("at the end %d attempts, %s; want 400: 50 answered, 250 refused, 100 silent", end.Count, summary(&end))
	}
	if s.Sources < 333 || s.Sources > 367 || s.Targets != 224 {
		t.Errorf("at the end about %d sources at %d addresses; want the 350 that failed, to within 5 %%, at 224", s.Sources, s.Targets)
	}
	if head := unsafe.Offsetof(netCell{}.sources); head != 64 {
		t.Errorf("a look-up reads %d bytes, want a cache line", head)
	}
}
