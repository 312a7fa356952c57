//go:build linux

package ring

import (
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// TestBackBeforeItsLink has an interface that is up again and has no link: that is
// looked at later, since the kernel notices a link some time after it is up.
func TestBackBeforeItsLink(t *testing.T) {
	p := testnet.NewPair(t)
	p.IP("link", "set", testnet.Left, "down")
	p.IP("link", "set", testnet.Right, "down")
	var s *Source
	err := p.Inside(func() (err error) {
		s, err = Open(Options{Interfaces: []string{testnet.Right}, Blocks: 1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	look := func(since time.Duration) Interface { // as if it had been found so long ago
		s.rings[0].found -= since
		s.all.looked, s.all.linked = now()-lookEvery, now()-linkEvery
		s.all.look()
		return s.Stats().Total()
	}
	p.IP("link", "set", testnet.Right, "up")
	before := now()
	if i := look(0); !i.Up || i.Returns != 1 || s.rings[0].found < before {
		t.Fatalf("it is up, and not found: %+v", i)
	}
	if i := look(-time.Hour); !i.Up || i.Losses != 0 {
		t.Errorf("its link is looked at at once: %+v", i)
	}
	if i := look(2 * time.Hour); i.Up || i.Losses != 1 {
		t.Errorf("its link is not looked at: %+v", i)
	}
}
