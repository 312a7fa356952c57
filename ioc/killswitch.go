package ioc

import (
	"bytes"
	"cmp"
	"slices"
)

// killSwitches finds kill-switch names anywhere in a name: with labels before
// them, as any indicator, and also with labels behind them. A resolver that
// appends its search list asks for the kill switch as
// "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com.corp.example".
//
// It is asked for every name, so it first asks whether the name is long
// enough, then for the length of each label, then for its hash: only then are
// names compared.
type killSwitches struct {
	list     []killSwitch // ordered by hash
	shortest int          // length of the shortest
	lengths  uint64       // bit i is set for an anchor of length i
}

// A killSwitch is recognised by its anchor, its longest label.
type killSwitch struct {
	hash   uint64 // of the anchor
	anchor int    // where the anchor begins
	ref    ref
}

// newKillSwitches indexes the records of kill-switch names.
func newKillSwitches(n *names, refs []ref) killSwitches {
	k := killSwitches{shortest: maxName + 1}
	for _, r := range refs {
		name := n.arena.name(r)
		start, end := longestLabel(name)
		k.list = append(k.list, killSwitch{n.secret.anchor(name[start:end]), start, r})
		k.shortest = min(k.shortest, len(name))
		k.lengths |= 1 << ((end - start) & 63)
	}
	slices.SortFunc(k.list, func(a, b killSwitch) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.ref, b.ref))
	})
	return k
}

// anchor hashes a label.
func (k *secret) anchor(label []byte) uint64 {
	if len(label) >= 8 {
		return k.text(label, len(label))
	}
	var padded [8]byte
	copy(padded[8-len(label):], label)
	return k.text(padded[:], len(label))
}

// longestLabel returns where the first of the longest labels begins and ends.
func longestLabel(name []byte) (start, end int) {
	for from := 0; from <= len(name); {
		to := labelEnd(name, from)
		if to-from > end-start {
			start, end = from, to
		}
		from = to + 1
	}
	return start, end
}

// labelEnd returns where the label that begins at start ends.
func labelEnd(name []byte, start int) int {
	for i := start; i < len(name); i++ {
		if name[i] == '.' && !escaped(name, i) {
			return i
		}
	}
	return len(name)
}

// lookup returns the record of the longest kill-switch name in a name that
// holds, the first of those of the same length.
func (k *killSwitches) lookup(n *names, name []byte, now moment) (found ref, ok bool) {
	if len(name) < k.shortest || len(k.list) == 0 {
		return 0, false
	}
	longest, first := 0, 0
	for start := 0; start < len(name); {
		end := labelEnd(name, start)
		if k.lengths>>((end-start)&63)&1 != 0 {
			for _, c := range k.anchored(n.secret.anchor(name[start:end])) {
				length, at := n.arena.length(c.ref), start-c.anchor
				better := length > longest || length == longest && at < first
				if better && n.at(name, at, c.ref) && n.kills(c.ref, len(name) == length, now) {
					found, ok, longest, first = c.ref, true, length, at
				}
			}
		}
		start = end + 1
	}
	return found, ok
}

// kills reports whether a record speaks as a kill switch, see note.
func (n *names) kills(r ref, itself bool, now moment) bool {
	said := n.note(r, itself, now)
	return said != nil && said.class == KillSwitch
}

// anchored returns the kill switches whose anchor has this hash.
func (k *killSwitches) anchored(h uint64) []killSwitch {
	at, _ := slices.BinarySearchFunc(k.list, h, func(s killSwitch, h uint64) int { return cmp.Compare(s.hash, h) })
	end := at
	for end < len(k.list) && k.list[end].hash == h {
		end++
	}
	return k.list[at:end]
}

// at reports whether the name of a record stands in a name at this place, at
// label boundaries, and not as what a list is asked about.
func (n *names) at(name []byte, start int, r ref) bool {
	want := n.arena.name(r)
	end := start + len(want)
	return start >= 0 && end <= len(name) && bytes.Equal(name[start:end], want) &&
		(start == 0 || name[start-1] == '.' && !escaped(name, start-1)) &&
		(end == len(name) || name[end] == '.' && !isNameList(name[end+1:]))
}
