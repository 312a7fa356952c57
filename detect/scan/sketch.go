package scan

import (
	"math"
	"math/bits"
)

// sketch counts distinct things by their hashes: exactly up to exactMost, then
// by HyperLogLog with 8192 registers, to within 1.2 % (standard error).
// (Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, 2007.) Of 33,000 such
// sketches one takes two of its first 512 things for the same, since half of a
// hash is enough to tell things apart, and takes half of the cache.
type sketch struct {
	exact     []uint32 // open addressing, upper halves of hashes; nil when empty or estimated
	registers *[registers]uint8
	sum       float64 // of 2⁻ʳ over the registers
	n         int32   // exact ones
	zeros     int32   // among the registers
}

const (
	exactMost    = 512
	fewExact     = 64 // cells at first
	registerBits = 13
	registers    = 1 << registerBits
)

// add counts a hash, and reports whether it was new, as far as that is known:
// beyond exactMost it is false for most that are.
func (s *sketch) add(h uint64) bool {
	h = spread(h)
	if s.registers != nil {
		return s.estimate(h)
	}
	upper := max(hash32(h), 1) // zero is an empty cell
	if s.holds(upper) {
		return false
	}
	if int(s.n)*2 >= len(s.exact) {
		if s.n >= exactMost {
			s.convert()
			return s.estimate(h)
		}
		s.grow()
	}
	return s.insert(upper)
}

// spread mixes the bits of a hash once more: an estimate needs each of them to
// be as good as random. (The finalizer of MurmurHash3.)
func spread(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// holds reports whether a hash is among the exact ones.
func (s *sketch) holds(h uint32) bool {
	if len(s.exact) == 0 {
		return false
	}
	mask := uint32(len(s.exact) - 1) //nolint:gosec // G115: never empty.
	for i := h; ; i++ {
		switch s.exact[i&mask] {
		case 0:
			return false
		case h:
			return true
		}
	}
}

func (s *sketch) insert(h uint32) bool {
	mask := uint32(len(s.exact) - 1) //nolint:gosec // G115: never empty.
	for i := h; ; i++ {
		switch s.exact[i&mask] {
		case 0:
			s.exact[i&mask] = h
			s.n++
			return true
		case h:
			return false
		}
	}
}

// grow makes room for more exact ones: for a few, or for all that may be. A scan
// that goes beyond the few mostly goes far.
func (s *sketch) grow() {
	old := s.exact
	size := fewExact
	if old != nil {
		size = 2 * exactMost
	}
	s.exact = make([]uint32, size)
	s.n = 0
	for _, h := range old {
		if h != 0 {
			s.insert(h)
		}
	}
}

func (s *sketch) convert() {
	s.registers = new([registers]uint8)
	s.sum, s.zeros = registers, registers
	for _, h := range s.exact {
		if h != 0 {
			s.estimate(uint64(h)<<32 | 1<<31) // of the lower half only the first bit ever matters
		}
	}
	s.exact = nil
}

func (s *sketch) estimate(h uint64) bool {
	r := &s.registers[h>>(64-registerBits)]
	rank := uint8(bits.LeadingZeros64(h<<registerBits|1<<(registerBits-1))) + 1 //nolint:gosec // G115: at most 64.
	if rank <= *r {
		return false
	}
	if *r == 0 {
		s.zeros--
	}
	s.sum += halves(rank) - halves(*r)
	*r = rank
	return true
}

// halves returns 2⁻ʳ, of which only the exponent is not 0 (IEEE 754).
func halves(r uint8) float64 { return math.Float64frombits(uint64(1023-int(r)) << 52) } //nolint:gosec // G115: never negative

// count returns how many distinct hashes were added.
func (s *sketch) count() uint64 {
	if s.registers == nil {
		return uint64(s.n) //nolint:gosec // G115: never negative.
	}
	const m = float64(registers)
	e := .7213 / (1 + 1.079/m) * m * m / s.sum
	if e < 2.5*m && s.zeros > 0 {
		e = m * math.Log(m/float64(s.zeros))
	}
	return uint64(e + .5)
}

// estimated reports whether count is an estimate.
func (s *sketch) estimated() bool { return s.registers != nil }
