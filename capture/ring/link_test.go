//go:build linux

package ring

import (
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// openOne opens a small ring of an interface of the pair.
func openOne(t *testing.T, p *testnet.Pair, o Options) *Source {
	t.Helper()
	o.Blocks = 1
	var s *Source
	if err := p.Inside(func() (err error) { s, err = Open(o); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestAlternativeName captures by an alternative name: the interface is not renamed as
// long as that leads to it. By both of its names it is not captured from twice.
func TestAlternativeName(t *testing.T) {
	p := testnet.NewPair(t)
	p.IP("link", "property", "add", "dev", testnet.Right, "altname", "beside")
	var warned []string
	s := openOne(t, p, Options{Interfaces: []string{"beside"}, Warn: func(_, text string) { warned = append(warned, text) }})
	s.rings[0].checkLink()
	if len(warned) > 0 {
		t.Errorf("warned of %q", warned)
	}
	p.IP("link", "property", "del", "dev", testnet.Right, "altname", "beside")
	s.rings[0].checkLink()
	if len(warned) != 1 {
		t.Errorf("without its alternative name: warned of %q", warned)
	}

	p.IP("link", "property", "add", "dev", testnet.Right, "altname", "again")
	err := p.Inside(func() error {
		_, err := Open(Options{Interfaces: []string{testnet.Right, "again"}, Blocks: 1})
		return err
	})
	if err == nil || err.Error() != "right and again are the same interface: name it once" {
		t.Errorf("by both names: %v", err)
	}
}

// TestBackBeforeItsLink has an interface that is up again and has no link: that is
// looked at later, since the kernel notices a link some time after it is up.
func TestBackBeforeItsLink(t *testing.T) {
	p := testnet.NewPair(t)
	p.IP("link", "set", testnet.Left, "down")
	p.IP("link", "set", testnet.Right, "down")
	s := openOne(t, p, Options{Interfaces: []string{testnet.Right}})
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
