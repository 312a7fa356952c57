package capture

import (
	"math"
	"math/bits"
)

const (
	nsPerSecond = 1_000_000_000
	// lastSecond and latest are how far from the epoch a time can be, in seconds
	// and in nanoseconds. That is a year less than an int64 holds, so that adding
	// or subtracting a time-out never overflows.
	lastSecond = math.MaxInt64/nsPerSecond - 366*day
	latest     = lastSecond * nsPerSecond
)

// A clock turns the time stamps of a pcapng interface into nanoseconds since
// the Unix epoch. Times before September 1678 or after April 2261 become the
// nearest in between.
type clock struct {
	scale  uint64 // nanoseconds a tick; 0 where slow has to convert
	resol  uint8  // the option if_tsresol
	offset int64  // the option if_tsoffset, seconds
}

// newClock returns the clock for the options if_tsresol (6, microseconds,
// where a capture has none) and if_tsoffset. With the top bit of resol clear
// a second has 10^resol ticks; with it set, 2 to the power of the other bits.
func newClock(resol uint8, offset int64) clock {
	c := clock{resol: resol, offset: offset}
	if resol <= 9 && offset == 0 {
		c.scale = power10(9 - resol)
	}
	return c
}

// ns returns the time of a stamp. Fractions of a nanosecond are dropped.
func (c *clock) ns(ticks uint64) int64 {
	if c.scale == 0 {
		return c.slow(ticks)
	}
	hi, lo := bits.Mul64(ticks, c.scale)
	if hi != 0 || lo > latest {
		return latest
	}
	return int64(lo)
}

// slow is ns for a resolution above nanoseconds, powers of two, or an offset.
func (c *clock) slow(ticks uint64) int64 {
	whole, frac := c.split(ticks)
	sec := int64(min(whole, math.MaxInt64))
	switch {
	case c.offset > 0 && sec > lastSecond-min(c.offset, lastSecond), sec+c.offset >= lastSecond:
		return latest
	case sec+c.offset < -lastSecond:
		return -latest
	}
	return (sec+c.offset)*nsPerSecond + int64(frac) //nolint:gosec // frac is below a second
}

// split returns the whole seconds and the nanoseconds of a stamp.
func (c *clock) split(ticks uint64) (sec, frac uint64) {
	if c.resol&0x80 != 0 {
		return splitPower2(ticks, c.resol&0x7f)
	}
	if c.resol > 19 { // a second does not fit in 64 bits
		if c.resol-9 > 19 {
			return 0, 0
		}
		return 0, ticks / power10(c.resol-9)
	}
	second := power10(c.resol)
	sec, frac = ticks/second, ticks%second
	if c.resol <= 9 {
		return sec, frac * power10(9-c.resol)
	}
	return sec, frac / power10(c.resol-9)
}

// splitPower2 is split for 2^n ticks a second.
func splitPower2(ticks uint64, n uint8) (sec, frac uint64) {
	if n < 64 {
		sec = ticks >> n
		ticks -= sec << n
	}
	hi, lo := bits.Mul64(ticks, nsPerSecond)
	if n < 64 {
		return sec, hi<<(64-n) | lo>>n
	}
	return 0, hi >> (n - 64)
}

// power10 returns 10^n for n up to 19.
func power10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
