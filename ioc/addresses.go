package ioc

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// addr6 is an IPv6 address as two numbers.
type addr6 struct{ hi, lo uint64 }

// number4 returns an IPv4 address as a number.
func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// number6 returns an IPv6 address as two numbers.
func number6(a netip.Addr) addr6 {
	b := a.As16()
	return addr6{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addrOf4 is the opposite of number4.
func addrOf4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// addrOf6 is the opposite of number6.
func addrOf6(n addr6) netip.Addr {
	b := binary.BigEndian.AppendUint64(nil, n.hi)
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(b, n.lo)))
}

// addresses holds indicator addresses of one family, each for one port or for
// any. A filter over the addresses answers for nearly all that are in no
// feed; the table behind it is open addressing with linear probing.
type addresses[A uint32 | addr6] struct {
	known   filter // of address hashes; empty until index
	slots   []uint32
	entries []address[A]
}

// An address is an entry; slots hold its index plus one, 0 where free.
type address[A uint32 | addr6] struct {
	addr A
	entry
	port uint16 // 0 for any
}

// find returns the index of the entry of an address and a port, -1 if there
// is none. h is the hash of both.
func (t *addresses[A]) find(h uint64, addr A, port uint16) int {
	if len(t.slots) == 0 {
		return -1
	}
	for at := scale(h, len(t.slots)); t.slots[at] != 0; {
		i := int(t.slots[at] - 1)
		if e := &t.entries[i]; e.addr == addr && e.port == port {
			return i
		}
		if at++; at == len(t.slots) {
			at = 0
		}
	}
	return -1
}

// lookup returns the index of the entry of an address for this port, else of the one
// for any port, else -1. It ignores entries that have expired. h is the hash of the
// address. It is to be called only for addresses that t.known may have.
func (t *addresses[A]) lookup(k *secret, h uint64, addr A, port uint16, now moment) int {
	if port != 0 {
		if i := t.find(k.port(h, port), addr, port); i >= 0 && now.holds(t.entries[i].note) {
			return i
		}
	}
	if i := t.find(k.port(h, 0), addr, 0); i >= 0 && now.holds(t.entries[i].note) {
		return i
	}
	return -1
}

// add adds an entry that is not there. h is the hash of address and port.
func (t *addresses[A]) add(k *secret, h uint64, e address[A], hash func(A) uint64) {
	if len(t.entries)*4 >= len(t.slots)*3 {
		t.resize(k, 2*len(t.slots)+16, hash)
	}
	t.entries = append(t.entries, e)
	t.insert(h, len(t.entries)-1)
}

func (t *addresses[A]) insert(h uint64, i int) {
	at := scale(h, len(t.slots))
	for t.slots[at] != 0 {
		if at++; at == len(t.slots) {
			at = 0
		}
	}
	t.slots[at] = uint32(i + 1) //nolint:gosec // bounded by Builder.room
}

// resize replaces the slots by n new ones.
func (t *addresses[A]) resize(k *secret, n int, hash func(A) uint64) {
	t.slots = make([]uint32, n)
	for i := range t.entries {
		e := &t.entries[i]
		t.insert(k.port(hash(e.addr), e.port), i)
	}
}

const addressFilterBits = 16

// index makes the filter, and makes the table as small as it can be.
func (t *addresses[A]) index(k *secret, hash func(A) uint64) {
	t.slots = nil
	t.entries = slices.Clone(t.entries)
	t.known = newFilter(len(t.entries), addressFilterBits)
	for i := range t.entries {
		t.known.add(hash(t.entries[i].addr))
	}
	t.resize(k, len(t.entries)*4/3+1, hash)
}

// bytes returns about how much memory the table takes.
func (t *addresses[A]) bytes(entry int) int {
	return len(t.known.words)*8 + len(t.slots)*4 + len(t.entries)*entry
}
