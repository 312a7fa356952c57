package scan

import "slices"

// bare recognises a capture of SYNs and nothing else, as tcpdump takes with
// "tcp[13] == 2": no connection goes on there, so that nothing shows that answers are
// missing. What gives it away is that hosts do not repeat their SYNs, as they would if
// they had no answer. Scanners may not repeat theirs either, but hosts of many kinds
// do.
type bare struct {
	other   bool            // a segment was seen that is no SYN, or an error
	sources [bareFew]uint32 // inside, of which no attempt was answered, by hash
	n       int             // so many of them are known
	// Attempts of theirs, of which the SYN was repeated, and was not.
	repeated, single uint32
}

const (
	// bareFew sources must be seen, so that no scan alone is taken for this.
	bareFew = 8
	// bareShare is how many attempts must go without a repetition for one with.
	bareShare = 2
	// bareMany attempts without one answer are worth a warning, whoever made them.
	bareMany = 20
)

// sure reports whether the capture holds SYNs only.
func (b *bare) sure() bool {
	return !b.other && b.n == bareFew && b.single >= bareShare*b.repeated
}

// fruitless reports whether so many attempts are no accident, none of which was
// answered in the capture.
func (b *bare) fruitless(attempts uint64) bool { return !b.other && attempts >= bareMany }

// unanswered counts an attempt of a source inside whose time is up.
func (b *bare) unanswered(a *attempt) {
	if a.has(repeated) {
		b.repeated++
	} else {
		b.single++
	}
	if h := uint32(a.src.Hash() >> 32); b.n < bareFew && !slices.Contains(b.sources[:b.n], h) {
		b.sources[b.n] = h
		b.n++
	}
}
