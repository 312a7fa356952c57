package scan

import (
	"math"
	"math/bits"
)

// sketch counts distinct things by their hashes: exactly up to exactMost, then
// by HyperLogLog with 8192 registers, to within 1.2 % (standard error; 1.5 % where
// one estimate takes over from another).
// (Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, 2007.) Of 33,000 such
// sketches one takes two of its first 512 things for the same, since half of a
// hash is enough to tell things apart, and takes half of the cache.
type sketch struct {
	late      [lateMost]uint32 // upper halves of hashes that are still to be counted
	lates     int32            // how many there are
	n         int32            // exact ones
	registers *[registers]uint8
	exact     []uint32 // open addressing, upper halves of hashes; nil when empty or estimated
	sum       float64  // of 2⁻ʳ over the registers
	zeros     int32    // among the registers
}

const (
	lateMost     = 8
	exactMost    = 512
	fewExact     = 64 // cells at first
	registerBits = 13
	registers    = 1 << registerBits
)

// add counts a hash, and reports whether it was new, as far as that is known:
// beyond exactMost it is false for most that are.
func (s *sketch) add(h uint64) bool {
	s.settle()
	h = spread(h)
	if s.registers != nil {
		return s.estimate(h)
	}
	return s.put(upperHalf(h))
}

// later notes a hash, to be counted when the next is added or the count is asked
// for. It reports false where it has to be added at once. Where a hash is counted
// is hardly ever in a near cache: several at a time wait for that together.
func (s *sketch) later(h uint64) bool {
	if s.lates == lateMost {
		s.settle()
	}
	if s.registers != nil {
		return false
	}
	s.late[s.lates] = upperHalf(spread(h))
	s.lates++
	return true
}

// settle counts what came late.
func (s *sketch) settle() {
	n := s.lates
	s.lates = 0
	for _, h := range s.late[:n] {
		s.put(h)
	}
}

// upperHalf returns the half of a hash that things are told apart by; zero is an
// empty cell.
func upperHalf(h uint64) uint32 { return max(hash32(h), 1) }

// put is add for the upper half of a hash that is spread.
func (s *sketch) put(h uint32) bool {
	if s.registers != nil {
		return s.estimate(whole(h))
	}
	if s.holds(h) {
		return false
	}
	if int(s.n)*2 >= len(s.exact) {
		if s.n >= exactMost {
			s.convert()
			return s.estimate(whole(h))
		}
		s.grow()
	}
	return s.insert(h)
}

// whole makes a hash of its upper half: of the lower only the first bit ever
// matters to an estimate of things that are told apart by the upper.
func whole(h uint32) uint64 { return uint64(h)<<32 | 1<<31 }

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
			s.estimate(whole(h))
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
	s.settle()
	if s.registers == nil {
		return uint64(s.n) //nolint:gosec // G115: never negative.
	}
	const m = float64(registers)
	e := .7213 / (1 + 1.079/m) * m * m / s.sum
	// Up to three things a register, and not two and a half as published: up to there
	// this estimate is too high by one to four in a hundred, and counting the registers
	// that nothing fell into is not.
	if e < 3*m && s.zeros > 0 {
		e = m * math.Log(m/float64(s.zeros))
	}
	return uint64(e + .5)
}

// most returns how many it may be with what came late, while it is not an estimate.
func (s *sketch) most() uint64 { return uint64(s.n + s.lates) } //nolint:gosec // G115: never negative.

// estimated reports whether count is an estimate.
func (s *sketch) estimated() bool {
	s.settle()
	return s.registers != nil
}
