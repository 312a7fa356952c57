package prefetch_test

import (
	"testing"

	"wormscope/internal/prefetch"
)

// A hint does no harm, wherever it points, and changes nothing.
func TestHints(t *testing.T) {
	words := []uint64{1, 2, 3, 4}
	prefetch.Line(&words[3])
	prefetch.Line[int](nil)
	prefetch.Two(&words[0], new(byte))
	prefetch.Two[int, string](nil, nil)
	prefetch.Four(&words[0], &words[1], &words[2], &words[3])
	prefetch.Four[int, int, int, int](nil, nil, nil, nil)
	long := make([]byte, 1000)
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		prefetch.Stream(long[:n])
		prefetch.Stream(long[len(long)-n:])
	}
	prefetch.Stream(nil)
	for i, w := range words {
		if w != uint64(i+1) {
			t.Errorf("word %d is %d", i, w)
		}
	}
	if n := testing.AllocsPerRun(100, func() { prefetch.Four(&words[0], &words[1], &words[2], &words[3]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
