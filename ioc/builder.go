package ioc

import (
	"errors"
	"fmt"
	"math"
	"net/netip"

	"wormscope/internal/ip"
)

// What Builder refuses.
var (
	// ErrAllowed: the observable is on the allow list.
	ErrAllowed = errors.New("allow-listed")
	// ErrFull: there is no room for more indicators of this type.
	ErrFull = errors.New("too many indicators")
)

// A Builder collects indicators for one Set. An observable that is added again, by
// the same feed or another, stays one indicator. A match then has the entry that is
// the best of those that have not expired: by class (kill-switch, sinkhole,
// malicious, anonymizer), by confidence, by having a description, by how late it
// expires, and last by the name of the feed. The feeds of the other entries are in
// Indicator.AlsoIn.
//
// A name costs its length and about 13 bytes, its text and place in its feed
// included: 33 MB for a million names of 20 bytes. NewBuilder makes one; it is
// not safe for use by several goroutines.
type Builder struct {
	set      *Set
	draft    draft
	networks map[networkKey]uint32
}

type networkKey struct {
	prefix netip.Prefix
	port   uint16
}

// NewBuilder makes an empty Builder.
func NewBuilder() *Builder {
	s := &Set{secret: newSecret(), notes: newNotebook()}
	s.names.secret, s.networks.secret = s.secret, s.secret
	return &Builder{set: s, networks: map[networkKey]uint32{}}
}

// Allow puts something on the allow list: a name and everything below it, an
// address, or a network and all in it. What is on it is never an indicator:
// Add refuses it from then on with ErrAllowed, and the Set does not match it
// even where an indicator is a network or a name above it. The value must be
// canonical, as for Add; package feed sees to that, too.
func (b *Builder) Allow(value string) error { return b.set.allowed.add(value) }

// From says which file the indicators come from that are added from now on, since
// several files may be feeds of one name; see Set.OfFile. Empty stands for no file.
func (b *Builder) From(file string) { b.set.notes.file = b.set.notes.text(file) }

// Add adds an indicator. Its value must be canonical, see Indicator. Package feed
// brings what it reads into that form, and refuses what is not a sensible indicator.
func (b *Builder) Add(i Indicator) error {
	if i.Class > Anonymizer || i.Confidence > HighConfidence || i.Line < 0 {
		return fmt.Errorf("indicator %q: class, confidence or line is out of range", i.Value)
	}
	said := i
	if i.Type != Domain {
		said.Port = 0
	}
	note := b.Note(said)
	var err error
	switch i.Type {
	case Domain:
		_, err = b.AddName([]byte(i.Value), i.Line, note)
	case Address:
		var a netip.Addr
		if a, err = netip.ParseAddr(i.Value); err == nil {
			_, err = b.AddAddress(netip.AddrPortFrom(a, i.Port), i.Line, note)
		}
	case Network:
		var p netip.Prefix
		if p, err = netip.ParsePrefix(i.Value); err == nil {
			_, err = b.AddNetwork(p, i.Port, i.Line, note)
		}
	default:
		err = errors.New("unknown type")
	}
	if err != nil {
		return fmt.Errorf("indicator %q: %w", i.Value, err)
	}
	return nil
}

// Note stores what an indicator has besides type, value and line, for use with
// AddName, AddAddress and AddNetwork. The port is taken for names only.
func (b *Builder) Note(i Indicator) Note { return Note(b.set.notes.add(&i)) }

// AddName adds a name from a line of a feed. It reports whether the name is
// new. It does not keep the slice. AddBatch is faster for many names.
func (b *Builder) AddName(name []byte, line int, note Note) (fresh bool, err error) {
	key, err := b.key(name)
	if err != nil {
		return false, err
	}
	return b.addName(name, key, line, uint32(note))
}

// key returns the key of a name, or why the name can't be added.
func (b *Builder) key(name []byte) (nameKey, error) {
	key, err := b.draft.key(&b.set.names, name)
	if err == nil && b.set.allowed.hasName(name) {
		err = ErrAllowed
	}
	return key, err
}

// addName is AddName for a name with its key.
func (b *Builder) addName(name []byte, key nameKey, line int, note uint32) (fresh bool, err error) {
	n := &b.set.names
	if at := n.table.find(key.hash, name, &n.arena); at != nil {
		return false, b.mergeName(at, key.hash, line, note)
	}
	if n.arena.full() || !b.room() {
		return false, ErrFull
	}
	if n.table.crowded() {
		n.grow(&b.draft)
	}
	r := n.arena.add(name, entry{note, lineNumber(line)})
	n.table.add(key.hash, r)
	b.draft.record(b.set, r, key.hash, note)
	b.draft.noteParents(n, name, key)
	return true, nil
}

// mergeName merges a further entry into that of a name which is known: at is where
// the table has its record, h is its hash.
func (b *Builder) mergeName(at *ref, h uint64, line int, note uint32) error {
	n := &b.set.names
	known := n.arena.entry(*at)
	merged := b.set.notes.merge(known, entry{note, lineNumber(line)})
	if merged == known {
		return nil
	}
	if n.arena.full() {
		return ErrFull
	}
	r := n.arena.setEntry(*at, merged)
	b.draft.count(known.note, -1)
	if r == *at {
		b.draft.name(b.set, r, merged.note)
		return nil
	}
	*at = r
	b.draft.record(b.set, r, h, merged.note)
	return nil
}

// AddAddress adds an address, for one port or, with port 0, for any. It
// reports whether the pair is new. A mapped IPv4 address is added as IPv4.
func (b *Builder) AddAddress(ap netip.AddrPort, line int, note Note) (fresh bool, err error) {
	a := ap.Addr().Unmap()
	if !a.IsValid() || a.Zone() != "" {
		return false, errors.New("not an address, or one with a zone")
	}
	if b.set.allowed.hasAddr(a) {
		return false, ErrAllowed
	}
	if !b.room() {
		return false, ErrFull
	}
	k := &b.set.secret
	if a.Is4() {
		e := address[uint32]{number4(a), entry{uint32(note), lineNumber(line)}, ap.Port()}
		return addAddress(b, &b.set.v4, e, k.addr4), nil
	}
	e := address[addr6]{number6(a), entry{uint32(note), lineNumber(line)}, ap.Port()}
	return addAddress(b, &b.set.v6, e, k.addr6), nil
}

// addAddress adds an entry to a table, or merges it with the one it has.
func addAddress[A uint32 | addr6](b *Builder, t *addresses[A], e address[A], hash func(A) uint64) (fresh bool) {
	h := b.set.secret.port(hash(e.addr), e.port)
	i := t.find(h, e.addr, e.port)
	if i < 0 {
		t.add(&b.set.secret, h, e, hash)
		return true
	}
	t.entries[i].entry = b.set.notes.merge(t.entries[i].entry, e.entry)
	return false
}

// AddNetwork adds a network, for one port or, with port 0, for any. It
// reports whether the pair is new. A network of one address is added as that
// address.
func (b *Builder) AddNetwork(p netip.Prefix, port uint16, line int, note Note) (fresh bool, err error) {
	if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
		return false, errors.New("not a network, or one with bits behind its mask")
	}
	if p.IsSingleIP() {
		return b.AddAddress(netip.AddrPortFrom(p.Addr(), port), line, note)
	}
	if b.set.allowed.hasPrefix(p) {
		return false, ErrAllowed
	}
	key := networkKey{p, port}
	entries, said := b.set.networks.entries, entry{uint32(note), lineNumber(line)}
	if i, ok := b.networks[key]; ok {
		entries[i].entry = b.set.notes.merge(entries[i].entry, said)
		return false, nil
	}
	if !b.room() {
		return false, ErrFull
	}
	b.networks[key] = uint32(len(entries)) //nolint:gosec // there is room
	b.set.networks.entries = append(entries, network{entry: said, prefix: p, port: port})
	return true, nil
}

// room reports whether one more entry of any kind can be numbered.
func (b *Builder) room() bool {
	s := b.set
	return max(len(s.v4.entries), len(s.v6.entries), len(s.networks.entries),
		len(s.notes.notes), len(s.notes.texts)) < math.MaxInt32-16
}

// lineNumber returns a line number as it is stored.
func lineNumber(line int) uint32 {
	return uint32(max(0, min(line, math.MaxInt32)))
}

// Build makes the Set. The Builder is empty afterwards: it must not be used
// again.
func (b *Builder) Build() *Set {
	s := b.set
	b.set, b.networks = nil, nil
	s.notes.freeze()
	s.v4.index(&s.secret, s.secret.addr4)
	s.v6.index(&s.secret, s.secret.addr6)
	s.networks.index()
	s.markNear()
	s.names.index(&b.draft)
	s.names.kill = newKillSwitches(&s.names, b.draft.killed(&s.names.arena))
	s.count(b.draft.byNote)
	b.draft = draft{}
	return s
}

// markNear marks the blocks that hold any indicator.
func (s *Set) markNear() {
	if !s.HasAddresses() {
		return
	}
	s.near = ip.NewBlocks(len(s.v4.entries) + len(s.v6.entries) + len(s.networks.entries))
	for i := range s.v4.entries {
		s.near.Mark(ip.From4(s.v4.entries[i].addr))
	}
	for i := range s.v6.entries {
		a := s.v6.entries[i].addr
		s.near.Mark(ip.Addr{Hi: a.hi, Lo: a.lo})
	}
	for i := range s.networks.entries {
		s.near.MarkNetwork(s.networks.entries[i].prefix)
	}
}
