package scan

import (
	"testing"
	"time"
)

// TestRepeatsAfterAll shows that a scan of more than is remembered comes to no more
// silence than there are targets, though each SYN is said again after half a minute
// and a minute, as Linux does.
func TestRepeatsAfterAll(t *testing.T) {
	const targets, gap, again = 16_000, 5 * time.Millisecond, 31 * time.Second
	const between = int(again / gap)
	b := newBed(t, Config{})
	b.whole()
	for i := range targets + 2*between {
		for _, n := range []int{i, i - between, i - 2*between} {
			if n < 0 || n >= targets {
				continue
			}
			dst := nth("10.64.0.0", n)
			b.syn(ad("10.1.1.1"), dst, 445)
			if n%20 == 0 && n == i {
				b.rst(ad("10.1.1.1"), dst, 445)
			}
		}
		b.wait(gap)
	}
	b.wait(time.Hour)
	end, s := b.last()
	if off := int64(s.Answered+s.Refused+s.Silent) - targets; s.Refused < targets/20 || off > targets/20 || off < -targets/20 {
		t.Errorf("%d targets: %s of %d attempts", targets, summary(&end), end.Count)
	}
}
