package scan

import "wormscope/detect/alert"

// answerDue is how long an attempt waits for its answer before the alert about it
// takes it for one in vain. Answers come in milliseconds, and a fast sweep is
// over before silence is certain. That is at the alarm; later, alerts are looked
// at once a second, and it is one to two.
const answerDue = second / 2

// A verdict is what an alert makes of how much of its scan was in vain.
type verdict struct {
	severity alert.Severity
	failed   bool   // more of it than was answered
	doubted  bool   // found by volume, nearly all was answered: a server may push to its clients
	early    bool   // more than a tenth of what is counted was open
	settled  bool   // nothing was
	pending  uint64 // attempts that may be answered yet, and that the doubt leaves out
	again    int64  // of the life
}

// news reports whether there is more to fear of a source than was told, whether it
// is known by now what came of a scan that was told of early, or whether it goes
// over the same destinations.
func (v *verdict) news(told *verdict, inside bool) bool {
	return v.severity > told.severity || told.doubted && !v.doubted ||
		inside && told.early && v.settled || v.again-told.again >= tellAgain
}

// judge returns the verdict by now. Most failed, if it did when the attempts that
// the alarm counted had the time to be answered. What is found by volume is
// doubted for as long as attempts that still have it can make up for the others,
// and not again because it goes faster.
func (d *Detector) judge(l *life) verdict {
	open := l.attempts - min(l.answered+l.refused+l.silent, l.attempts)
	young := min(open, l.attempts-l.aged)
	failed := l.refused + l.silent
	switch {
	case d.tap.clientOnly(): // nothing is known of them
	case l.told.failed, l.aged >= l.atAlarm:
		failed += open
	default:
		failed += open - young
	}
	v := verdict{
		failed: failed > l.answered, early: open*10 > l.attempts, settled: open == 0, again: l.again,
	}
	v.severity = l.severity(v.failed)
	if l.name == nameFanOut || l.name == nameSlow {
		if l.told.doubted {
			v.pending = young
		}
		s := alert.Scan{
			Targets: l.destinations(), Answered: l.answered, Refused: l.refused, Silent: l.silent, Pending: v.pending,
		}
		v.doubted = s.MostlyAnswered()
	}
	return v
}

// severity says how much the alert matters: SMB swept from inside, and most of
// it in vain, is what a worm does; a volume that mostly succeeds may be a
// management server; the internet knocks at every door.
func (l *life) severity(failed bool) alert.Severity {
	switch {
	case l.kind == flood:
		return alert.Medium
	case l.kind == network:
		return alert.Low
	case !l.inside && l.answered > 0:
		return alert.Medium
	case !l.inside:
		return alert.Low
	case l.kind == vertical, !l.lateral:
		return alert.Medium
	case smb(l.port) && (failed || l.name == nameSequential):
		return alert.Critical
	case failed, smb(l.port), l.name == nameSequential:
		return alert.High
	}
	return alert.Medium
}
