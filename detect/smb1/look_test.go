package smb1

import (
	"math/rand/v2"
	"testing"
)

// TestHunt compares the search with one that looks at every byte.
func TestHunt(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 200_000 {
		w := make([]byte, rnd.IntN(24))
		for i := range w {
			w[i] = "\x00\x00\xff\xfe\xfdSMB"[rnd.IntN(8)]
		}
		if rnd.IntN(2) == 0 { // whole identifiers are rare otherwise
			copy(w[rnd.IntN(len(w)+1):], "\x00\x01\x02\x03\xffSMB")
		}
		want := 0
		for want < len(w) && !begins(w[want:]) {
			want++
		}
		if at := hunt(w); at != want {
			t.Fatalf("%q: found at %d, not %d", w, at, want)
		}
	}
}
