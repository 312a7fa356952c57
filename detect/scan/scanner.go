package scan

import "wormscope/internal/ip"

// scanner is a source that an alert is open about.
type scanner struct {
	addr     ip.Addr
	open     int32 // alerts
	sweeps   int32 // of these, of one port each
	vertical int32 // place of the vertical one plus 1, 0 when there is none
	several  int32 // of the one for all further ports
}

// sweepsEach is how many ports of a source get an alert each. Those after
// share one, but for the ports of SMB, which matter most.
const sweepsEach = 4

// scanners holds them by address. They are asked for with every outcome, so
// that a look-up is one of an index and not of a Go map.
type scanners struct {
	secret ip.Secret // of the index: nobody may hide among those who collide
	index  index
	slots  []scanner
	free   []uint32
}

func newScanners() scanners { return scanners{secret: ip.NewSecret(), index: newIndex(64)} }

func (t *scanners) hash(a ip.Addr) uint32 { return hash32(t.secret.Addr(a)) }

// find returns the slot of a source, -1 when no alert about it is open.
func (t *scanners) find(a ip.Addr) int {
	if t.index.used == 0 {
		return -1
	}
	h := t.hash(a)
	for pos := h; ; {
		slot, after := t.index.next(h, pos)
		if slot < 0 || t.slots[slot].addr == a {
			return slot
		}
		pos = after
	}
}

// add returns the slot of a source, a new one where it has none. It is -1
// where too many others collide.
func (t *scanners) add(a ip.Addr) int {
	if slot := t.find(a); slot >= 0 {
		return slot
	}
	n := len(t.free)
	if n == 0 {
		t.slots = append(t.slots, scanner{})
		t.free = append(t.free, uint32(len(t.slots)-1)) //nolint:gosec // G115: at most maxFindings.
		n = 1
	}
	slot := t.free[n-1]
	if !t.index.add(t.hash(a), slot) {
		return -1
	}
	t.free = t.free[:n-1]
	t.slots[slot] = scanner{addr: a}
	return int(slot)
}

// opened notes that an alert about a source was opened at a place. It reports
// false where that can't be noted.
func (t *scanners) opened(f *finding, place int32) bool {
	slot := t.add(f.host)
	if slot < 0 {
		return false
	}
	s := &t.slots[slot]
	s.open++
	switch f.kind {
	case sweep:
		s.sweeps++
	case vertical:
		s.vertical = place
	case several:
		s.several = place
	case network, flood:
	}
	return true
}

// closed notes that an alert about a source was closed.
func (t *scanners) closed(f *finding) {
	slot := t.find(f.host)
	if slot < 0 {
		return
	}
	s := &t.slots[slot]
	switch f.kind {
	case sweep:
		s.sweeps--
	case vertical:
		s.vertical = 0
	case several:
		s.several = 0
	case network, flood:
	}
	if s.open--; s.open == 0 {
		t.index.remove(t.hash(f.host), uint32(slot)) //nolint:gosec // G115: at most maxFindings.
		t.free = append(t.free, uint32(slot))        //nolint:gosec // G115: the same.
	}
}
