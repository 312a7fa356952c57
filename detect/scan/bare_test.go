package scan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
)

// lookFor lets so many hosts try eight servers each, and shows their SYNs only.
// Where nobody answers them, they send each again.
func (b *bed) lookFor(hosts int, again bool) {
	for i := range hosts {
		for n := range 8 {
			src, dst := nth("10.5.0.1", i), nth("10.9.0.1", (i*5+n*7)%200)
			b.syn(src, dst, 445)
			b.wait(time.Second)
			if again {
				b.syn(src, dst, 445)
			}
			b.wait(time.Second)
		}
	}
	b.wait(time.Minute)
}

// TestSYNsOnly shows that a capture of SYNs, from which answers were left out, makes
// no scanners of hosts at work but the first few, and is told from one in which
// nobody is answered.
func TestSYNsOnly(t *testing.T) {
	const hosts = 40
	b := newBed(t, Config{})
	b.lookFor(hosts, false)
	if n := len(b.rec.starts()); n > bareFew {
		t.Errorf("%d of %d hosts are called scanners", n, hosts)
	}
	if !b.d.Stats().ClientOnly {
		t.Error("it is not said that answers are missing")
	}
	b.syn(ad("10.5.0.1"), ad("10.8.0.1"), 445)
	b.synack(ad("10.5.0.1"), ad("10.8.0.1"), 445)
	if b.d.Stats().ClientOnly {
		t.Error("answers are called missing though one came")
	}

	b = newBed(t, Config{})
	b.lookFor(hosts, true)
	if n := len(b.rec.starts()); n != hosts {
		t.Errorf("%d hosts are called scanners that nobody answers, want %d", n, hosts)
	}

	b = newBed(t, Config{})
	b.sweep(worm, "10.9.0.1", 30, 445, 10*time.Second, always(silent))
	b.wait(time.Minute)
	if a := b.one(); a.Name != alert.NameSequential {
		t.Errorf("one host alone: %s", summary(&a))
	}
}

// TestNoAnswerIsTold: whether nobody answered, or answers were left out, the SYNs of
// a few hosts do not show, and so much is said.
func TestNoAnswerIsTold(t *testing.T) {
	for _, c := range []struct {
		attempts, answers int
		want              bool
	}{{bareMany - 1, 0, false}, {bareMany, 0, true}, {bareMany, 1, false}} {
		b := newBed(t, Config{})
		b.sweep(worm, "10.9.0.1", c.attempts-c.answers, 445, time.Second, always(silent))
		b.sweep(worm, "10.8.0.1", c.answers, 445, time.Second, always(refused))
		b.wait(time.Minute)
		s := b.d.Stats()
		told := slices.ContainsFunc(s.Warnings(), func(w string) bool {
			return strings.HasPrefix(w, fmt.Sprintf("none of %d attempts to connect was answered here", c.attempts))
		})
		if told != c.want || s.Unanswered != c.want {
			t.Errorf("%d attempts, %d answers: told is %v, want %v: %q", c.attempts, c.answers, told, c.want, s.Warnings())
		}
	}
}
