package ioc

import (
	"math/rand/v2"
	"testing"
)

// TestHaving holds the comparison of all tags at once against a loop. It may
// say yes for a place behind one that has the tag, and nowhere else.
func TestHaving(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 200_000 {
		var b bucket
		few := 1 + r.IntN(255)
		for i := range r.IntN(bucketSize + 1) {
			b.tags[i] = uint8(1 + r.IntN(few))
		}
		tag := uint8(1 + r.IntN(few))
		got, want := b.having(tag), uint64(0)
		for i, have := range b.tags {
			if have == tag {
				want |= 1 << i
			}
		}
		if got&want != want || (want == 0 && got != 0) || got >= 1<<bucketSize {
			t.Fatalf("%v have %d at %b, not at %b", b.tags, tag, want, got)
		}
	}
}
