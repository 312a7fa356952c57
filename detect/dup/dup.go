// Package dup recognises what was seen a moment ago: the second copy of a
// packet that a span port mirrors on the way in and on the way out, and the
// repeated query of a client that got no answer. Only what is about to be
// counted is asked about, so it costs nothing for other packets.
package dup

import (
	"time"

	"wormscope/internal/ip"
)

// ways is how many remembered values share a bucket.
const ways = 4

// A Filter remembers hashes for a while, in a table of fixed size. When a
// bucket is full, the value noted longest ago is forgotten: a flood makes the
// filter forgetful, which lets copies count twice, and costs nothing else.
type Filter struct {
	buckets [][ways]seen
	mask    uint64 // the number of buckets, a power of two, minus one
	window  int64
}

type seen struct {
	hash uint64
	time int64
}

// New makes a filter that remembers at least size values, for the window.
func New(size int, window time.Duration) *Filter {
	n := uint64(1)
	for n*ways < uint64(max(size, 1)) {
		n *= 2
	}
	return &Filter{buckets: make([][ways]seen, n), mask: n - 1, window: int64(window)}
}

// Seen notes a value and reports whether it was noted within the window
// around now (Unix nanoseconds) before. A value that keeps coming keeps being
// remembered from its first time: the window does not slide.
func (f *Filter) Seen(h Hash, now int64) bool {
	v := h.mixed()
	b := &f.buckets[v&f.mask]
	oldest := 0
	for i := range b {
		if b[i].hash == v && b[i].time != 0 {
			if age := now - b[i].time; age <= f.window && age >= -f.window {
				return true
			}
			oldest = i
			break
		}
		if b[i].time < b[oldest].time {
			oldest = i
		}
	}
	b[oldest] = seen{hash: v, time: now}
	return false
}

// A Hash sums up what tells one thing from another, by FNV-1a over 64-bit
// words. It needs no seed: the same capture must give the same result, and
// whoever makes values collide gains a miscount of their own traffic.
type Hash uint64

// The FNV-1a constants for 64 bits.
const (
	offset Hash = 14695981039346656037
	prime  Hash = 1099511628211
)

// NewHash returns the hash of nothing.
func NewHash() Hash { return offset }

// Uint64 returns the hash of what went before and v.
func (h Hash) Uint64(v uint64) Hash {
	h = (h ^ Hash(v)) * prime
	return h ^ h>>29
}

// AddrPort returns the hash of what went before and a.
func (h Hash) AddrPort(a ip.AddrPort) Hash { return h.Addr(a.Addr).Uint64(uint64(a.Port)) }

// Addr returns the hash of what went before and a.
func (h Hash) Addr(a ip.Addr) Hash {
	if a.Is4() {
		return h.Uint64(uint64(a.Number4()))
	}
	return h.Uint64(a.Hi).Uint64(a.Lo)
}

// Bytes returns the hash of what went before and b.
func (h Hash) Bytes(b []byte) Hash {
	h = h.Uint64(uint64(len(b)))
	for _, c := range b {
		h = (h ^ Hash(c)) * prime
	}
	return h
}

// mixed spreads the bits, so that any of them can choose a bucket.
func (h Hash) mixed() uint64 {
	v := uint64(h)
	v ^= v >> 32
	v *= 0x9e3779b97f4a7c15
	return v ^ v>>29
}
