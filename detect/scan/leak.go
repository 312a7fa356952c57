package scan

import "time"

// leak is what is known of how many answers a tap does not show, though it
// shows both directions. A span port that has more to copy than it can send
// drops some of it, and the answers of some servers may go another way.
//
// What tells is connections that are seen to go on. On lateral ports those that
// lack their answer are always looked for, and counted beside those that have it;
// on others enough connections are looked at now and then, as data is most of the
// traffic, and all of them once some were found that lack their answer.
type leak struct {
	going   uint32 // connections that were seen to go on, lately
	unheard uint32 // of these, the SYN-ACK was not seen
	look    uint32 // of going, those of the present look
	lookAt  int64  // when it began, Unix nanoseconds
	open    bool   // so many lack an answer that all are looked at
	// The same as the first two since the beginning.
	allGoing, allUnheard uint64
}

const (
	// lookEvery is how long after the beginning of a look the next one may begin.
	lookEvery = int64(30 * time.Second)
	// fewestUnheard connections without an answer are no accident, if they are
	// one in leakOpen of all; the leak is closed when they are fewer than one in
	// leakClosed.
	fewestUnheard = 3
	leakOpen      = 40
	leakClosed    = 80
	// leakMost is how many connections without an answer it takes to say that
	// most lack it.
	leakMost = 8
	// forgetGoing is where the counts are halved.
	forgetGoing = 256
)

// note counts a connection that goes on.
func (l *leak) note(unheard bool) {
	l.going++
	l.look++
	l.allGoing++
	if unheard {
		l.unheard++
		l.allUnheard++
	}
	l.judge()
	if l.going >= forgetGoing {
		l.going /= 2
		l.unheard /= 2
	}
}

// heard takes back that the answer to one was not seen.
func (l *leak) heard() {
	l.unheard -= min(l.unheard, 1)
	l.allUnheard -= min(l.allUnheard, 1)
	l.judge()
}

func (l *leak) judge() {
	switch {
	case l.unheard >= fewestUnheard && l.unheard*leakOpen >= l.going:
		l.open = true
	case l.unheard*leakClosed < l.going:
		l.open = false
	}
}

// again begins another look, and reports it, unless the last one was just now.
func (l *leak) again(now int64) bool {
	if now-l.lookAt < lookEvery {
		return false
	}
	l.look, l.lookAt = 0, now
	return true
}

// looked reports whether enough was seen of the tap for now.
func (l *leak) looked() bool { return l.look >= enough && !l.open }

// most reports whether the greater part of connections goes on unanswered.
func (l *leak) most() bool { return l.unheard >= leakMost && l.unheard*2 > l.going }

// share returns how many in a hundred connections went on without an answer, 0
// where that may be by accident.
func (l *leak) share() float64 {
	if l.allUnheard < fewestUnheard || l.allUnheard*leakOpen < l.allGoing {
		return 0
	}
	return 100 * float64(l.allUnheard) / float64(l.allGoing)
}
