package scan

// A server that pushes to its clients may be infected while the alert about that is
// open, and scan the same port. Then it scans since its outcomes turned, and not since
// it began to push: what infected it came in between.

// turnAfter is how many must have answered before the outcomes of a scan can turn.
const turnAfter = 20

// A turn is where outcomes begin to speak for a scanner, by the steps of the
// sequential test.
type turn struct {
	sum   float64 // of the steps, held at 0 from below
	at    int64   // the attempt that took it from 0, like finding.last
	plain bool    // nearly all before that was answered
	due   bool    // it is a scanner's, and no attempt that shows since when has failed yet
}

// turnsBy lets an outcome count that the finding has not counted yet.
func (f *finding) turnsBy(a *attempt) {
	t := &f.turn
	if a.state == answered {
		t.sum = max(0, t.sum+successStep)
		return
	}
	if t.sum == 0 {
		t.at = a.time
		t.plain = f.answered >= turnAfter && f.answered*10 >= (f.answered+f.refused+f.silent)*9
	}
	t.sum += failStep
	if t.due {
		f.turned()
	}
}

// watchTurn looks whether what was said to be a server's, it may be, is no longer.
func (f *finding) watchTurn() {
	switch {
	case f.seq == 0:
		f.turning = f.told.doubted && f.kind == sweep && f.inside
	case !f.turning || f.told.doubted:
	case f.turn.sum > 0:
		f.turned()
	default:
		f.turn.due = true
	}
}

// turned dates the scan to where the outcomes turned, once.
func (f *finding) turned() {
	f.turning = false
	if f.turn.plain {
		f.since = max(f.since, f.turn.at)
	}
}
