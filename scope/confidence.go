package scope

import (
	"slices"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// The confidences of docs/scope.md: how sure a fact alone makes us that the
// host is infected, or, for exposed and targeted, that the fact is one.
const (
	sureExposed    = 1.0
	sureTargeted   = 0.9
	sureKillSwitch = 0.9
	sureSinkhole   = 0.9 // run by defenders for what malware calls
	sureAnonymizer = 0.1 // "uses Tor", no more
)

// How much of its indicator's confidence a contact keeps.
const (
	weightAttempted = 0.75 // the host called, nobody answered
	weightGuessed   = 0.8  // who called was guessed from the ports
	weightUnknown   = 0.5  // who called is not known
	// weightEcho is kept beside the others by what may be an answer to nothing:
	// floods and reflections with forged senders bring the host such, as can
	// anyone, and it may answer what the capture lost.
	weightEcho = 0.5
)

// rateIndicator returns how much a match of an indicator by the host itself says.
func rateIndicator(i *ioc.Indicator) float64 {
	if i == nil {
		return 0
	}
	switch i.Class {
	case ioc.KillSwitch:
		return sureKillSwitch
	case ioc.Sinkhole:
		return sureSinkhole
	case ioc.Anonymizer:
		return sureAnonymizer
	case ioc.Malicious:
		return rateFeed(i.Confidence)
	default:
		return rateFeed(ioc.NotSpecified)
	}
}

// rateFeed turns a feed's own confidence into ours. A feed that says nothing
// is taken as a list that somebody keeps for a reason.
func rateFeed(c ioc.Confidence) float64 {
	switch c {
	case ioc.HighConfidence:
		return 0.8
	case ioc.LowConfidence:
		return 0.3
	case ioc.None:
		return 0.1
	case ioc.MediumConfidence, ioc.NotSpecified:
		return 0.6
	default:
		return 0.6
	}
}

// rateContact returns how much a contact that the host began, or may have
// begun, says.
func rateContact(a *alert.Alert) float64 {
	c := a.Evidence.Contact
	rate := rateIndicator(a.Indicator)
	switch {
	case c.Initiator == alert.InitiatorUnknown && echoes(a):
		rate *= weightUnknown * weightEcho
	case c.Initiator == alert.InitiatorUnknown:
		rate *= weightUnknown
	case c.TransportGuess:
		rate *= weightGuessed
	}
	if c.State != alert.ContactEstablished {
		rate *= weightAttempted
	}
	return rate
}

// echoes reports whether a contact is no more than a datagram, or a segment
// without data, of one end, of which nobody knows whether it was asked for.
func echoes(a *alert.Alert) bool {
	c := a.Evidence.Contact
	sent := c.BytesResp // by the peer
	if a.Orig.Addr() != a.Host {
		sent = c.BytesOrig
	}
	return c.State != alert.ContactEstablished && (a.Proto != protoTCP || sent == 0)
}

const protoTCP = 6

// manyFailed is how many targets must have refused or kept silent before a
// scan of one port leaves hardly any other explanation than a worm, or a person
// who acts like one.
const manyFailed = 100

// How much a scan says that failed so often: alone never enough for an
// infection, and on other ports than the lateral ones only together with an
// indicator that its feed is sure of.
const (
	sureFailed          = 0.95
	sureFailedElsewhere = 0.76
)

// rateScan returns how much a scan by an inside host says: by the rule that
// fired, by the port, and by how much of it led nowhere.
func rateScan(a *alert.Alert) float64 {
	s := a.Evidence.Scan
	if rate := rateFailed(s); rate > 0 {
		return rate
	}
	switch rate := rateScanRule(a.Name); {
	case alert.IsSMB(s.Port) || s.Port == 0:
		return rate
	case lateral(s):
		return rate * 0.8
	default:
		return rate * 0.6
	}
}

// rateFailed returns how much a scan of one port says that very often failed, 0
// when it did not. A server with many stale clients gets more answers, and so
// does a peer-to-peer program, which tries other ports than the lateral ones.
func rateFailed(s *alert.Scan) float64 {
	failed := s.Refused + s.Silent
	switch {
	case s.Port == 0 || failed < manyFailed:
		return 0
	case lateral(s) && failed > s.Answered:
		return sureFailed
	case !lateral(s) && failed >= 9*s.Answered:
		return sureFailedElsewhere
	default:
		return 0
	}
}

// weightAnswered is what is left of the confidence in a scan that nearly every
// target answered: a server that pushes to its clients looks like that, and
// most worms do not know beforehand who is there. For those that do, see chain.
const weightAnswered = 0.3

// mostlyAnswered reports whether at least nine in ten targets answered a scan
// that was found by the number of its targets alone, or will have answered for
// all that is known yet.
func mostlyAnswered(a *alert.Alert) bool {
	return (a.Name == alert.NameFanOut || a.Name == alert.NameSlow) && a.Evidence.Scan.MostlyAnswered()
}

// rateScanRule returns how far each rule of detection is to be trusted: the
// sequential test asks for failures, the others make do with less.
func rateScanRule(name string) float64 {
	switch name {
	case alert.NameSequential:
		return 0.9
	case alert.NameFanOut:
		return 0.8
	case alert.NameSlow, alert.NameHalfDuplex:
		return 0.7
	case alert.NameVertical:
		return 0.5
	default:
		return 0.6
	}
}

// lateral reports whether a scan is of a lateral port: of those by default,
// whatever the sensor's configuration says, or of those that it calls so.
func lateral(s *alert.Scan) bool {
	return s.Lateral || slices.Contains(alert.LateralPorts(), s.Port)
}
