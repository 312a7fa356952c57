package scan

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSketchIsRight shows that what many sketches count is right on average, and hardly
// ever far from it, where one way of counting takes over from another, too.
func TestSketchIsRight(t *testing.T) {
	const sketches = 100
	r := rand.New(rand.NewPCG(7, 8))
	sums, squares := map[int]float64{}, map[int]float64{}
	steps := []int{600, 5000, 18_000, 20_000, 20_500, 21_000, 22_000, 24_000, 26_000, 30_000, 60_000}
	for range sketches {
		var s sketch
		added := 0
		for _, n := range steps {
			for ; added < n; added++ {
				s.add(r.Uint64())
			}
			off := float64(s.count())/float64(n) - 1
			sums[n] += off
			squares[n] += off * off
		}
	}
	for _, n := range steps {
		mean, spread := sums[n]/sketches, math.Sqrt(squares[n]/sketches)
		if math.Abs(mean) > .0125 || spread > .0185 {
			t.Errorf("%d things are counted with a mean error of %.2f %%, and %.2f %% mostly", n, 100*mean, 100*spread)
		}
	}
}
