package scope

import (
	"net/netip"

	"wormscope/internal/ip"
)

// An index finds hosts by their addresses, by open addressing: to grow, a Go
// map takes ten times as long, and it takes more than twice the memory.
//
// Most that are asked for are not known yet, as the targets of a scan. The tags
// tell so without a look at any host.
type index struct {
	secret ip.Secret
	tags   []uint32 // a power of two of them, at most three quarters in use; 0 where free
	hosts  []*host  // each beside its tag
	used   int
}

const firstCells = 16

func newIndex() index {
	return index{secret: ip.NewSecret(), tags: make([]uint32, firstCells), hosts: make([]*host, firstCells)}
}

// hash returns what finds the cell of an address.
func (x *index) hash(a netip.Addr) uint32 {
	return uint32(x.secret.Addr(ip.From(a))) //nolint:gosec // G115: all bits are good
}

// tag returns what stands in the index for a hash: its bits but the highest.
func tag(hash uint32) uint32 { return hash | 1<<31 }

// get returns the host of an address with its hash, nil where there is none.
func (x *index) get(a netip.Addr, hash uint32) *host {
	want := tag(hash)
	for at := x.home(want); ; at = x.after(at) {
		switch x.tags[at] {
		case 0:
			return nil
		case want:
			if h := x.hosts[at]; h.addr == a {
				return h
			}
		}
	}
}

// add takes in a host that the index does not have.
func (x *index) add(h *host) {
	x.used++
	if x.used*4 > len(x.tags)*3 {
		tags, hosts := x.tags, x.hosts
		x.tags, x.hosts = make([]uint32, 2*len(tags)), make([]*host, 2*len(tags))
		for i, t := range tags {
			if t != 0 {
				x.place(t, hosts[i])
			}
		}
	}
	x.place(tag(h.hash), h)
}

// place puts a host where it is found.
func (x *index) place(t uint32, h *host) {
	at := x.home(t)
	for x.tags[at] != 0 {
		at = x.after(at)
	}
	x.tags[at], x.hosts[at] = t, h
}

// remove takes out a host that the index has, and moves those behind it up, so
// that searches can end at the first free cell.
func (x *index) remove(h *host) {
	x.used--
	hole := x.home(tag(h.hash))
	for x.hosts[hole] != h {
		hole = x.after(hole)
	}
	mask := len(x.tags) - 1
	for at := x.after(hole); x.tags[at] != 0; at = x.after(at) {
		// What is at home behind the hole stays.
		if home := x.home(x.tags[at]); (at-home)&mask >= (at-hole)&mask {
			x.tags[hole], x.hosts[hole] = x.tags[at], x.hosts[at]
			hole = at
		}
	}
	x.tags[hole], x.hosts[hole] = 0, nil
}

// home is the cell that a tag belongs in, if it is free.
func (x *index) home(t uint32) int { return int(t) & (len(x.tags) - 1) }

// after is the cell that follows, the first one after the last.
func (x *index) after(at int) int { return (at + 1) & (len(x.tags) - 1) }
