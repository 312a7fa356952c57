package plural_test

import (
	"testing"

	"wormscope/internal/plural"
)

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{-1: "-1 frames were", 0: "0 frames were", 1: "1 frame was", 2: "2 frames were", 1 << 40: "1099511627776 frames were"} {
		if got := plural.Count(n, "frame was", "frames were"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := plural.Word(uint64(1), "is", "are") + plural.Word(0, "is", "are"); got != "isare" {
		t.Errorf("one and none: %q", got)
	}
}
