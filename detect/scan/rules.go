package scan

import (
	"time"

	"wormscope/detect/alert"
)

// The sequential test compares two hypotheses about first contacts: a benign
// host's succeed with probability .85, a scanner's with .25. (Jung, Paxson,
// Berger, Balakrishnan: Fast Portscan Detection Using Sequential Hypothesis
// Testing, 2004, with the log-likelihood held at 0 from below, so that a host
// that turned bad is not excused by its good past.)
const (
	failStep    = 1.6094379124341003  // ln((1-.25)/(1-.85)): what a failure adds
	successStep = -1.2237754316221157 // ln(.25/.85): what an answer adds
	// llrAlarm is ln 10⁴: odds of 10,000 to 1 on a scanner.
	llrAlarm = 9.21
	// llrHalfLife is how long it takes for half of a suspicion to fade. With
	// 1800 s, scans slower than one attempt in 8 minutes are left to the slow
	// rules, at 12 attempts; with four hours those of up to one in half an
	// hour are found after 6 to 8, and a benign host's few first contacts a
	// day still fade faster than they add up. From six hours on they do not
	// (measured both ways: docs/detection.md).
	llrHalfLife = 4 * hour
)

// TRW as published, for sources outside: success .8 and .2, detection .99,
// false alarm .01.
const (
	trwStep  = 1.3862943611198906 // ln(.8/.2)
	trwAlarm = 4.59511985013459   // ln(.99/.01)
)

// Weights of a failure, in tenths, by what is known of the destination.
const (
	weightDead     = 10 // never seen alive
	weightAlive    = 5  // seen alive, not at this port
	weightAnswered = 2  // answered at this port before: it is the destination that changed
	weightShared   = 1  // others fail there, too, see outage
	weightAstray   = 1  // IPv6 leads nowhere, for all that is known
	weightPeer     = 0  // from outside, at an ordinary port for the first time, see misses
)

// watchedShare is what an outcome on a watched port weighs beside one on a
// lateral port, and watchedDead how many destinations never seen alive must
// have failed: on these ports honest programs try many addresses that they
// were only told of.
const (
	watchedShare = .5
	watchedDead  = 12
)

// A volume is a number of new destinations in a time that is too many on a
// lateral port.
type volume struct {
	tried  uint32
	dead   uint32 // of these, failures at destinations never seen alive
	within tick
	spread tick // time that each half took at least
	smb    bool // on the ports of SMB only
	name   string
}

// mixed reports whether a volume counts destinations that answered, so that
// what is usual for the source and for the net must be known.
func (v *volume) mixed() bool { return v.dead < v.tried }

// fanOut are volumes that need no failure.
var fanOut = [...]volume{ //nolint:gochecknoglobals // constant
	{tried: 20, within: 10 * second, name: alert.NameFanOut},
	{tried: 40, within: minute, name: alert.NameFanOut},
	{tried: 80, within: 10 * minute, name: alert.NameFanOut},
}

// slow are volumes with failures, for scans that the fan-out rule is too
// short-sighted for and that too many answer for the sequential test. The
// smaller the share of failures, the more destinations it takes. The fourth is
// for worms that go slowly through a net in which nearly every host answers on
// SMB, where honest hosts keep to a few servers: a server that pushes to its
// clients is through with twenty in minutes, and fan-out judges it.
var slow = [...]volume{ //nolint:gochecknoglobals // constant
	{tried: 12, dead: 12, within: day, name: alert.NameSlow},
	{tried: 20, dead: 6, within: day, name: alert.NameSlow},
	{tried: 40, dead: 4, within: day, name: alert.NameSlow},
	{tried: 20, dead: 1, within: day, spread: 5 * minute, smb: true, name: alert.NameSlow},
}

// fewestTried is the least that any volume asks for.
const fewestTried = 12

// Vertical scans: so many failed ports of one destination in this time.
const (
	verticalPorts  = 20
	verticalWithin = minute
)

// Floods: so many sources never seen before in this time, of which hardly any
// completes its handshake.
const (
	floodSuspect = 64
	floodSources = 256
	floodMany    = 768
	floodWithin  = 30 * second
	// floodPatience is the time that fewer than floodMany are given to complete
	// their handshakes. A server repeats a SYN-ACK after one second.
	floodPatience = 3 * second
	floodShare    = 10 // one in so many may complete
)

// Distributed scans: so many sources, at so many destinations of a network,
// in an hour; and so many times the hours before.
const (
	spreadSources = 100
	spreadTargets = 32
	spreadTimes   = 4
	spreadFailed  = 4 // failures to one answer
)

// How long alerts stay open.
const (
	// quietAfter is how long a scanner is quiet before its alert is closed,
	// or quietGaps times its mean gap, up to quietMost.
	quietAfter = int64(10 * time.Minute)
	quietGaps  = 4
	quietMost  = int64(24 * time.Hour)
	// burstGap ends one go of new destinations.
	burstGap = 10 * minute
	// scanShare is one in how many places of the memory of contacts an alert
	// may fill: 8192 of those inside, 2048 outside.
	scanShare = 512
	// forgetAfter starts the counts of a source anew.
	forgetAfter = day
)
