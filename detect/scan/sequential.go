package scan

import (
	"math"
	"slices"
)

// fade lets the log-likelihood ratio decay to now.
func (s *source) fade(now tick) {
	if dt := now.since(s.llrAt); dt > 0 {
		s.llr *= math.Exp2(-float64(dt) / float64(llrHalfLife))
		s.llrAt = now
	}
}

// step adds an outcome to the sequential test of one port. share is what the
// port weighs, weight what a failure at this destination does, in tenths.
//
// Answers come at once and silence takes five seconds to be sure of. So that
// the answers among a burst of attempts are not lost at the lower bound before
// the silence among them counts, the bound lies as far below zero as the
// attempts still open could add.
func (s *source) step(o outcome, share float64, weight uint8, now tick) {
	s.fade(now)
	if o == answered {
		s.llr += share * successStep
	} else {
		s.llr += share * failStep * float64(weight) / 10
	}
	s.llr = max(s.llr, -share*failStep*float64(s.pending))
}

// unstep takes a failure back that a late answer disproved.
func (s *source) unstep(share float64, weight uint8) {
	s.llr = max(0, s.llr+share*(successStep-failStep*float64(weight)/10))
}

// walk adds an outcome to the random walk of a source outside. At the lower
// threshold the source is found benign, and when none of its attempts is open, the
// walk begins again. weight is that of a failure.
func (s *source) walk(o outcome, weight uint8) {
	if o != answered {
		s.llr += failedWalk(weight)
		return
	}
	if s.llr -= trwStep; s.llr <= -trwAlarm {
		s.llr = -trwAlarm
		if s.pending == 0 {
			s.llr = 0
		}
	}
}

// failedWalk returns how far a failure takes a source outside. Where servers that the
// world uses are down, all its mail servers fail at each of them: that is
// the servers' failure more than theirs.
func failedWalk(weight uint8) float64 {
	switch weight {
	case weightAnswered, weightPeer:
		return trwStep * float64(weight) / weightDead
	default:
		return trwStep
	}
}

// misses reports whether a source whose ports are pooled failed at an ordinary port
// lately, and notes that it does. A scanner looks for a service at one host after the
// other; peer-to-peer programs try each peer at a port of its own, and find many gone.
func (s *source) misses(port uint16) bool {
	if slices.Contains(s.missed[:], port) {
		return true
	}
	s.missed[1], s.missed[0] = s.missed[0], port
	return false
}

// resolve notes that an attempt is no longer open.
func (s *source) resolve() { s.pending -= min(s.pending, 1) }

// fail counts a failure; one at a destination never seen alive is remembered
// with its time.
func (s *source) fail(weight uint8, now tick) {
	s.failed++
	s.burstFailed++
	if weight == weightDead {
		s.deaths[s.dead%keepDead] = now
		s.dead++
	}
}

// exceeds reports whether the source went beyond a volume by now, and beyond
// twice what it is used to.
func (s *source) exceeds(v *volume, now tick, factor uint32) bool {
	n := min(v.tried*factor, keepTried) // the ring remembers no more
	dead := min(v.dead*factor, keepDead)
	if s.tried < n || s.dead < dead {
		return false
	}
	// Many dead among very many is what a management server meets, too.
	if (v.mixed() || s.dead*4 < s.tried) && max(n, s.recently(v)) <= 2*s.most {
		return false
	}
	oldest := s.times[(s.tried-n)%keepTried]
	if now.since(oldest) > v.within {
		return false
	}
	if dead > 0 && now.since(s.deaths[(s.dead-dead)%keepDead]) > v.within {
		return false
	}
	if v.spread > 0 {
		middle := s.times[(s.tried-n/2)%keepTried]
		return middle.since(oldest) >= v.spread && now.since(middle) >= v.spread
	}
	return true
}

// recently returns how many new destinations there were that a volume is about:
// in the present go, or for one of a day in all goes of today, for who scans may
// pause between them.
func (s *source) recently(v *volume) uint32 {
	if v.within == day {
		return max(s.burst, s.today)
	}
	return s.burst
}

// begin notes that a new destination is about to be counted: a new go, when
// the last was long ago, and new counts, when it was very long ago.
func (s *source) begin(now tick) {
	gap := now.since(s.last)
	if gap <= burstGap {
		return
	}
	s.learn()
	s.burst, s.burstFailed, s.pending = 0, 0, 0
	if gap > forgetAfter && s.finding == 0 {
		s.restart()
	}
}

// learn takes the go that ended for what the source is used to do, unless
// much of it failed.
func (s *source) learn() {
	if s.burstFailed*10 <= s.burst*3 {
		s.most = max(s.most, s.burst)
	}
}

// learnDay does the same with the day, when an alert is opened: so that it takes more
// to open the next.
func (s *source) learnDay() {
	if s.failed*10 <= s.tried*3 {
		s.most = max(s.most, s.today)
	}
}

// restart sets the counts back, after so long a time that no rule looks back
// beyond it, or after an alert was closed.
func (s *source) restart() {
	s.tried, s.counts, s.failed, s.dead = 0, counts{}, 0, 0
	s.nframes, s.burst, s.burstFailed, s.pending = 0, 0, 0, 0
}
