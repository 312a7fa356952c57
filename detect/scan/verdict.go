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
	failed   bool // more of it than was answered

	// Of what was found by volume:
	doubted bool   // nearly all was answered, so that it may be a server that pushes to its clients
	early   bool   // more than a tenth was open
	settled bool   // nothing was
	pending uint64 // attempts that an answer may be on the way to, and that the doubt leaves out

	again int64 // of the finding
}

// news reports whether there is more to fear of a source than was told, whether it
// is known by now what came of a scan that was told of early, or whether it goes
// over the same destinations.
func (v *verdict) news(told *verdict) bool {
	return v.severity > told.severity || told.doubted && !v.doubted || told.early && v.settled ||
		v.again-told.again >= tellAgain
}

// judge returns the verdict by now. What is open counts as failed, but for attempts
// that an answer may be on the way to. Of the severity these are left out until all
// that the alarm counted are due, of the doubt until it was told that there is
// none: a scan that goes faster is not to be doubted again.
func (d *Detector) judge(f *finding) verdict {
	open := f.attempts - min(f.answered+f.refused+f.silent, f.attempts)
	young := min(open, f.attempts-f.aged)
	failed := f.refused + f.silent
	switch {
	case d.tap.mute(): // nothing is known of them
	case f.told.failed, f.aged >= f.atAlarm:
		failed += open
	default:
		failed += open - young
	}
	v := verdict{failed: failed > f.answered, again: f.again}
	v.severity = f.severity(v.failed)
	if f.name == alert.NameFanOut || f.name == alert.NameSlow {
		if f.told.doubted {
			v.pending = young
		}
		s := alert.Scan{
			Targets: f.destinations(), Answered: f.answered, Refused: f.refused, Silent: f.silent, Pending: v.pending,
		}
		v.doubted = s.MostlyAnswered()
		v.early, v.settled = open*10 > f.attempts, open == 0
	}
	return v
}

// severity says how much the alert matters: SMB swept from inside, and most of
// it in vain, is what a worm does; a volume that mostly succeeds may be a
// management server; the internet knocks at every door.
func (f *finding) severity(failed bool) alert.Severity {
	switch {
	case f.kind == flood:
		return alert.Medium
	case f.kind == network:
		return alert.Low
	case !f.inside && f.answered > 0:
		return alert.Medium
	case !f.inside:
		return alert.Low
	case f.kind == vertical, !f.lateral:
		return alert.Medium
	case alert.IsSMB(f.port) && (failed || f.name == alert.NameSequential):
		return alert.Critical
	case failed, alert.IsSMB(f.port), f.name == alert.NameSequential:
		return alert.High
	}
	return alert.Medium
}
