package scan

import (
	"testing"
	"time"
)

// TestHurry: what a scanner does after a mark is said at once.
func TestHurry(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	src := ad("10.1.0.14")
	for i := range 40 {
		b.try(src, nth("10.2.0.1", i), 445, refused)
		b.wait(100 * time.Millisecond)
	}
	b.one()
	words := len(b.rec.alerts)
	b.try(src, ad("10.2.1.1"), 445, refused)
	if n := len(b.rec.alerts); n != words {
		t.Fatalf("%d words before, %d now: the test needs a quiet time", words, n)
	}
	b.d.Hurry(ad("10.1.0.15"))
	b.try(src, ad("10.2.1.2"), 445, refused)
	b.d.Hurry(src)
	b.try(src, ad("10.2.1.3"), 445, refused)
	b.try(src, ad("10.2.1.4"), 445, refused)
	if n := len(b.rec.alerts); n != words+1 {
		t.Errorf("%d words, want one more than %d", n, words)
	}
}
