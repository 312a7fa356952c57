package capture

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactTime is the time of a stamp by exact arithmetic.
func exactTime(resol uint8, offset int64, ticks uint64) int64 {
	base := int64(10)
	if resol&0x80 != 0 {
		base = 2
	}
	second := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(resol&0x7f)), nil)
	ns := new(big.Int).Mul(new(big.Int).SetUint64(ticks), big.NewInt(nsPerSecond))
	ns.Div(ns, second)
	ns.Add(ns, new(big.Int).Mul(big.NewInt(offset), big.NewInt(nsPerSecond)))
	switch {
	case ns.Cmp(big.NewInt(latest)) > 0:
		return latest
	case ns.Cmp(big.NewInt(-latest)) < 0:
		return -latest
	}
	return ns.Int64()
}

func TestClock(t *testing.T) {
	tests := []struct {
		name   string
		resol  uint8
		offset int64
		ticks  uint64
		want   int64
	}{
		{"microseconds", 6, 0, 1_494_598_320_123_456, 1_494_598_320_123_456_000},
		{"nanoseconds", 9, 0, 1_494_598_320_123_456_789, 1_494_598_320_123_456_789},
		{"seconds", 0, 0, 1_494_598_320, 1_494_598_320_000_000_000},
		{"picoseconds", 12, 0, 1_234_567_890_123, 1_234_567_890},
		{"more than a second can have", 40, 0, math.MaxUint64, 0},
		{"half seconds", 0x81, 0, 3, 1_500_000_000},
		{"2^-32", 0x80 | 32, 0, 5<<32 | 1<<31, 5_500_000_000},
		{"2^-64", 0x80 | 64, 0, 1 << 63, 500_000_000},
		{"2^-127", 0xff, 0, math.MaxUint64, 0},
		{"offset", 6, 1_494_598_320, 1_000_000, 1_494_598_321_000_000_000},
		{"offset before the epoch", 6, -10, 1, -9_999_999_000},
		{"far future", 6, 0, math.MaxUint64, latest},
		{"far future by the offset", 6, math.MaxInt64, 5, latest},
		{"far past", 6, math.MinInt64, 5, -latest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock(tt.resol, tt.offset)
			if got := c.ns(tt.ticks); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestClockAgainstExactArithmetic(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		resol := uint8(rng.Uint32())
		ticks := rng.Uint64() >> rng.UintN(64)
		var offset int64
		if rng.IntN(2) == 0 {
			offset = int64(rng.Uint64()) >> rng.UintN(64)
		}
		c := newClock(resol, offset)
		if got, want := c.ns(ticks), exactTime(resol, offset, ticks); got != want {
			t.Fatalf("resolution %#x, offset %d, %d ticks: got %d, want %d", resol, offset, ticks, got, want)
		}
	}
}
