package ioc

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// networks holds indicator networks, each for one port or for any. Two bit arrays
// tell of most addresses that they are in no network.
type networks struct {
	secret  secret
	touched [2]*touched        // IPv4 by its upper 16 bits, IPv6 by a hash of its upper 32
	table   bart.Table[uint32] // prefix to the index of its first entry
	entries []network
}

// A network is an entry. next is the index of the next one to try for an
// address in it: of the same prefix and another port, or of the prefix around
// it; -1 at the end.
type network struct {
	entry
	prefix netip.Prefix
	next   int32
	port   uint16 // 0 for any
}

// touched marks blocks of addresses: 8 KB that stay in the first-level cache.
type touched [1 << 16 / 64]uint64

func (t *touched) set(block uint16)      { t[block>>6] |= 1 << (block & 63) }
func (t *touched) has(block uint16) bool { return t.bit(block) != 0 }

// bit returns the mark of a block, 0 or 1.
func (t *touched) bit(block uint16) uint64 { return t[block>>6] >> (block & 63) & 1 }

// block4 returns the block of an IPv4 address.
func block4(a uint32) uint16 { return uint16(a >> 16) }

// block6 returns the block of an IPv6 address.
func (n *networks) block6(hi uint64) uint16 {
	return uint16((hi >> 32) * n.secret.a >> 48)
}

// index makes the table and the arrays.
func (n *networks) index() {
	if len(n.entries) == 0 {
		return
	}
	n.touched = [2]*touched{new(touched), new(touched)}
	n.entries = slices.Clone(n.entries)
	slices.SortFunc(n.entries, func(a, b network) int {
		// The entry for any port comes behind those for one.
		return cmp.Or(a.prefix.Compare(b.prefix), -cmp.Compare(a.port, b.port))
	})
	for i := range n.entries {
		if p := n.entries[i].prefix; i == 0 || p != n.entries[i-1].prefix {
			n.table.Insert(p, uint32(i))
			n.touch(p)
		}
	}
	for i := range n.entries {
		e := &n.entries[i]
		if i+1 < len(n.entries) && n.entries[i+1].prefix == e.prefix {
			e.next = int32(i + 1)
		} else {
			e.next = n.around(e.prefix)
		}
	}
}

// around returns the first entry of the smallest prefix around a prefix, -1
// if there is none.
func (n *networks) around(prefix netip.Prefix) int32 {
	for p, i := range n.table.Supernets(prefix) {
		if p != prefix {
			return int32(i) //nolint:gosec // bounded by Builder.room
		}
	}
	return -1
}

// touch marks the blocks of a prefix.
func (n *networks) touch(p netip.Prefix) {
	if p.Addr().Is4() {
		first := number4(p.Addr()) >> 16
		for i := range uint32(1) << max(0, 16-p.Bits()) {
			n.touched[0].set(uint16(first + i)) //nolint:gosec // within the prefix
		}
		return
	}
	if p.Bits() < 16 { // more blocks than there are bits
		for i := range n.touched[1] {
			n.touched[1][i] = ^uint64(0)
		}
		return
	}
	b := p.Addr().As16()
	first := uint64(binary.BigEndian.Uint32(b[:4]))
	for i := range uint64(1) << max(0, 32-p.Bits()) {
		n.touched[1].set(n.block6((first + i) << 32))
	}
}

// lookup returns the index of the most specific network that holds and that an
// address and port is in, or -1. It is for addresses of touched blocks.
func (n *networks) lookup(a netip.Addr, port uint16, now moment) int32 {
	first, ok := n.table.Lookup(a)
	if !ok {
		return -1
	}
	at := int32(first) //nolint:gosec // bounded by Builder.room
	for at >= 0 {
		e := &n.entries[at]
		if (e.port == 0 || e.port == port) && now.holds(e.note) {
			break
		}
		at = e.next
	}
	return at
}

// bytes returns about how much memory the networks take. BartBytes is what package
// bart was measured to need for a prefix.
func (n *networks) bytes() int {
	const entryBytes, bartBytes, arrays = 48, 80, 2 * 1 << 13
	if len(n.entries) == 0 {
		return 0
	}
	return len(n.entries)*(entryBytes+bartBytes) + arrays
}
