package scope

import (
	"net/netip"

	"wormscope/internal/ip"
)

// An index finds hosts by their addresses, by open addressing: to grow, a Go
// map takes ten times as long, and it takes more than twice the memory.
type index struct {
	secret ip.Secret
	cells  []*host // a power of two of them, at most three quarters in use; nil where free
	used   int
}

const firstCells = 16

func newIndex() index { return index{secret: ip.NewSecret(), cells: make([]*host, firstCells)} }

// hash returns what finds the cell of an address.
func (x *index) hash(a netip.Addr) uint32 {
	return uint32(x.secret.Addr(ip.From(a))) //nolint:gosec // G115: all bits are good
}

// get returns the host of an address with its hash, nil where there is none.
func (x *index) get(a netip.Addr, hash uint32) *host {
	for at := x.home(hash); ; at = x.after(at) {
		if h := x.cells[at]; h == nil || h.hash == hash && h.addr == a {
			return h
		}
	}
}

// add takes in a host that the index does not have.
func (x *index) add(h *host) {
	x.used++
	if x.used*4 > len(x.cells)*3 {
		old := x.cells
		x.cells = make([]*host, 2*len(old))
		for _, known := range old {
			if known != nil {
				x.place(known)
			}
		}
	}
	x.place(h)
}

// place puts a host where it is found.
func (x *index) place(h *host) {
	at := x.home(h.hash)
	for x.cells[at] != nil {
		at = x.after(at)
	}
	x.cells[at] = h
}

// remove takes out a host that the index has, and moves those behind it up, so
// that searches can end at the first free cell.
func (x *index) remove(h *host) {
	x.used--
	hole := x.home(h.hash)
	for x.cells[hole] != h {
		hole = x.after(hole)
	}
	mask := len(x.cells) - 1
	for at := x.after(hole); x.cells[at] != nil; at = x.after(at) {
		// What is at home behind the hole stays.
		if home := x.home(x.cells[at].hash); (at-home)&mask >= (at-hole)&mask {
			x.cells[hole] = x.cells[at]
			hole = at
		}
	}
	x.cells[hole] = nil
}

// home is the cell that a hash belongs in, if it is free.
func (x *index) home(hash uint32) int { return int(hash) & (len(x.cells) - 1) }

// after is the cell that follows, the first one after the last.
func (x *index) after(at int) int { return (at + 1) & (len(x.cells) - 1) }
