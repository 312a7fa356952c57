package smb1

import (
	"bytes"
	"math/rand/v2"
	"slices"
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

// TestBored gives bytes to two Framers, of which one is spared what is dull
// while it is bored. They must read the same.
func TestBored(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	spared := 0
	for range 20_000 {
		f, lazy := NewFramer(NewPool(1)), NewFramer(NewPool(1))
		for range 8 {
			b := make([]byte, 1+rnd.IntN(20))
			for i := range b {
				b[i] = byte(1 + rnd.IntN(250))
			}
			if rnd.IntN(3) == 0 {
				b = slices.Concat(b, frame(smb2Message(nil))[:rnd.IntN(69)])
			}
			same := b
			for m, ok := f.Next(&b); ok; m, ok = f.Next(&b) {
				if n, ok := lazy.Next(&same); !ok || !bytes.Equal(m.Data, n.Data) || m.Length != n.Length {
					t.Fatalf("the lazy Framer read %q, not %q", n.Data, m.Data)
				}
			}
			if lazy.Bored() && Dull(same) {
				spared++
			} else if m, ok := lazy.Next(&same); ok {
				t.Fatalf("the lazy Framer also read %q", m.Data)
			}
			if f.state != lazy.state || f.skip != lazy.skip || f.Partial() != lazy.Partial() || f.n != lazy.n || f.pool.Stats != lazy.pool.Stats {
				t.Fatalf("%+v is not %+v", lazy, f)
			}
		}
	}
	if spared < 10_000 {
		t.Errorf("spared %d times only", spared)
	}
}
