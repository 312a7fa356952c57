package scan

import (
	"testing"
	"time"
)

// TestFirstAnswers shows that the first destination of a source counts by its
// answer, though nothing but that is known of the source then: a late one, and
// one of half a handshake.
func TestFirstAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		whole bool
		first func(b *bed)
		rest  func(b *bed, i int)
	}{
		{
			name: "late", whole: true,
			first: func(b *bed) {
				b.syn(ad(worm), ad("10.9.0.1"), 445)
				b.wait(6 * time.Second)
				b.synack(ad(worm), ad("10.9.0.1"), 445)
			},
			rest: func(b *bed, i int) { b.try(ad(worm), nth("10.9.0.1", i), 445, answered) },
		},
		{
			name:  "servers' half",
			first: func(b *bed) { b.synack(ad(worm), ad("10.9.0.1"), 445) },
			rest:  func(b *bed, i int) { b.synack(ad(worm), nth("10.9.0.1", i), 445) },
		},
	} {
		b := newBed(t, Config{})
		if c.whole {
			b.whole()
		}
		c.first(b)
		for i := 1; i < 30; i++ {
			c.rest(b, i)
			b.wait(100 * time.Millisecond)
		}
		b.engine.Close()
		b.one()
		end := b.rec.alerts[len(b.rec.alerts)-1]
		if s := end.Evidence.Scan; s.Answered != 30 || s.Silent != 0 {
			t.Errorf("%s: %s, want 30 answered", c.name, summary(&end))
		}
		if n := len(b.rec.facts); n != 30 {
			t.Errorf("%s: %d hosts are targeted, want 30", c.name, n)
		}
		for _, f := range b.rec.facts {
			if f.Frame.Number == 0 {
				t.Errorf("%s: no frame tells that %s is targeted", c.name, f.Host)
			}
		}
	}
}
