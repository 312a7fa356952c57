package scan

// A worm may go over the same addresses again and again. To the alert that is open
// about it that adds nothing, but it lasts; long after the alert was closed, it is
// a scan like any other, for the host may have been cleaned in between.

const (
	// manyAgain is at how many destinations a host may fail again and again and not
	// be a scanner: so many dead network drives and printers it may have.
	manyAgain = 16
	// synRepeats is for how long systems repeat a SYN (Linux: 127 s).
	synRepeats = int64(130e9)
	// goneFor is how long after its alert a scanner's contacts count anew.
	goneFor = 4 * hour
	// tellAgain is how often it is said that a scanner goes over the same.
	tellAgain = int64(3600e9)
)

// again notes the failure of an attempt that is not a first contact. If the source has
// an alert open, most of which failed, it still scans.
func (d *Detector) again(a *attempt) {
	if !d.findings.scanning(a.src) {
		return
	}
	s := d.source(a, a.key())
	if s == nil || s.finding == 0 {
		return
	}
	f := d.findings.get(s.finding)
	if f.told.failed && a.time-f.last >= synRepeats && f.failedAgain.add(hash32(a.dst.Hash())) {
		f.again = max(f.again, a.time)
	}
}

// latest returns when the scan was seen last.
func (f *finding) latest() int64 { return max(f.last, f.again) }

// handful holds the latest destinations, as far as they differ, by hash.
type handful struct {
	hashes [manyAgain]uint32
	n      uint32
}

// add notes a destination, and reports whether it is one more than are held.
func (f *handful) add(h uint32) bool {
	for _, held := range f.hashes {
		if held == h {
			return false
		}
	}
	f.hashes[f.n%manyAgain] = h
	f.n++
	return f.n > manyAgain
}

// relapses reports whether the source of an alert that ends is to be looked at
// anew after a while: it swept many in vain.
func (f *finding) relapses() bool {
	return f.inside && f.told.failed && f.refused+f.silent > manyAgain
}

// eras is the set of sources, by some bits of the hash of their keys, that may be in
// another era than their first, see population.era. It may hold others, too; sources
// that are not in it need not be looked up.
type eras [16]uint64

func (e *eras) has(kh uint64) bool { return e[kh>>6%16]>>(kh%64)&1 != 0 }

func (e *eras) add(kh uint64) { e[kh>>6%16] |= 1 << (kh % 64) }

// era returns the hash that the contacts of a source are remembered under, given
// that of its key. For who tries something new goneFor after its alert was closed it
// is another one from then on, so that the destinations of its scan are new again.
func (p *population) era(kh uint64, k sourceKey, now tick) uint64 {
	s := p.find(kh, k)
	if s == nil {
		return kh
	}
	if s.scanned != 0 && now.since(s.scanned) >= goneFor {
		s.era++
		s.scanned = 0
	}
	return kh ^ uint64(s.era)*seedA
}
