package scope

import (
	"slices"
	"sort"

	"wormscope/detect/alert"
)

// smbFact is what a fact has besides when it was learned from SMB.
type smbFact struct {
	name    string   // tells facts of one kind apart: an exploit, an implant's key, a mark
	alert   string   // id of the alert that tells more
	moments []moment // in order, see maxMoments
}

// A moment is when, and on which frame, a fact was seen once more.
type moment struct {
	at    int64 // Unix nanoseconds
	frame alert.FrameRef
}

// maxMoments is how many moments of one fact are kept: half of them are the
// earliest, half the latest, whatever the order in which they were told.
const maxMoments = 16

func (a moment) before(b moment) bool {
	return a.at < b.at || a.at == b.at && compareFrames(a.frame, b.frame) < 0
}

// name returns the name of a fact, empty for those that have none.
func (f *fact) name() string {
	if f.smb == nil {
		return ""
	}
	return f.smb.name
}

// has reports whether a frame is known to show the fact.
func (s *smbFact) has(frame alert.FrameRef) bool {
	return s != nil && slices.ContainsFunc(s.moments, func(m moment) bool { return m.frame == frame })
}

// add takes the moments of a later sighting.
func (s *smbFact) add(by *smbFact) {
	if s == nil || by == nil {
		return
	}
	for _, m := range by.moments {
		at := sort.Search(len(s.moments), func(i int) bool { return m.before(s.moments[i]) })
		s.moments = slices.Insert(s.moments, at, m)
		if len(s.moments) > maxMoments {
			s.moments = slices.Delete(s.moments, maxMoments/2, maxMoments/2+1)
		}
	}
}

// latest returns the last moment of a fact that is after one time and not
// after another.
func (f *fact) latest(after, until int64) (moment, bool) {
	for _, m := range slices.Backward(f.smb.moments) {
		if m.at <= until {
			return m, m.at > after
		}
	}
	return moment{}, false
}

// earliest returns the first moment of a fact that is after one time and not
// after another.
func (f *fact) earliest(after, until int64) (moment, bool) {
	for _, m := range f.smb.moments {
		if m.at > after {
			return m, m.at <= until
		}
	}
	return moment{}, false
}

// The confidences of facts from SMB, where the detector gives none. Those of
// what was done to a host, and of how it is patched, say that the fact is one;
// the others, that the host is infected.
const (
	surePatch     = 0.95
	sureAttempted = 0.9
	sureCompleted = 0.95
	sureImplanted = 0.99
	surePayload   = 0.95
	sureMark      = 0.95
	sureAttacking = 0.9
	sureChecking  = 0.25 // so does whoever looks for unpatched hosts
)

// smbKind returns the kind of a fact that was learned from SMB, and its
// confidence.
func smbKind(f *alert.Fact) (k kind, sure float64, ok bool) {
	switch f.Kind {
	case alert.FactVulnerable:
		k, sure = kindVulnerable, surePatch
	case alert.FactPatched:
		k, sure = kindPatched, surePatch
	case alert.FactPatchUnknown:
		k, sure = kindPatchUnknown, surePatch
	case alert.FactExploitAttempted:
		k, sure = kindExploitAttempted, sureAttempted
	case alert.FactExploitCompleted:
		k, sure = kindExploitCompleted, sureCompleted
	case alert.FactExploitSent:
		k, sure = kindExploitSent, sureAttacking
	case alert.FactProbed:
		k, sure = kindProbed, sureTargeted
	case alert.FactClean:
		k, sure = kindClean, sureTargeted
	case alert.FactImplanted:
		k, sure = kindImplanted, sureImplanted
	case alert.FactKilled:
		k, sure = kindKilled, sureImplanted
	case alert.FactExecuted:
		k, sure = kindExecuted, surePayload
	case alert.FactPayload:
		k, sure = kindPayload, surePayload
	case alert.FactMark:
		k, sure = kindMark, sureMark
	default:
		return 0, 0, false
	}
	if f.Confidence > 0 {
		sure = f.Confidence
	}
	return k, sure, true
}

// smbFact notes what was learned from SMB: about the host, and about the peer
// that showed it.
func (l *Ledger) smbFact(f alert.Fact) {
	if f.Kind == alert.FactAsset && f.Asset != nil {
		l.learnAsset(&f)
		return
	}
	k, sure, ok := smbKind(&f)
	if !ok {
		return
	}
	l.note(f, k, sure)
	if did, much, name := peerKind(k); f.Peer.IsValid() && name != "" {
		f.Host, f.Peer, f.Detail = f.Peer, f.Host, name
		l.note(f, did, much)
	}
}

// mayCheck reports whether a fact tells of a check by a host that may check.
func (l *Ledger) mayCheck(f *alert.Fact, k kind) bool {
	switch k {
	case kindTargeted:
		return f.Alert != "" && l.trust.mayScan(f.Peer)
	case kindProbed, kindClean:
		return l.trust.mayScan(f.Peer)
	case kindMark:
		return f.Detail == toolMark && l.trust.mayScan(f.Host)
	case kindChecking:
		return l.trust.mayScan(f.Host)
	default:
		return false
	}
}

// toolMark is the mark that tools which check have copied from WannaCry.
const toolMark = "check-header"

// note records a fact about a host, inside or outside. Outside, only what the
// host did is kept: it is what there is to block.
func (l *Ledger) note(f alert.Fact, k kind, sure float64) {
	if l.mayCheck(&f, k) {
		sure = 0
	}
	made := learned(&f, k, sure)
	made.smb = &smbFact{name: f.Detail, alert: f.Alert, moments: []moment{{made.first, f.Frame}}}
	switch {
	case l.zones.Inside(f.Host):
		l.keep(f.Host, &made, f.Time, f.Frame)
	case k.family() != harmless && k.family() != implanted && sure > 0 && l.zones.Inside(f.Peer):
		l.recordExternal(f.Host, &made, 1)
	case sure > 0 && made.ofAttack() && !l.zones.Inside(f.Peer):
		l.fighters.note(f.Host)
	}
}

// ofAttack reports whether a fact from SMB is of an attack or an implant, by whom
// it is or whom it is on, and not of a check.
func (f *fact) ofAttack() bool {
	switch f.kind {
	case kindExploitAttempted, kindExploitCompleted:
		return true
	case kindMark:
		return f.confidence >= infectedFrom // others' addresses may be translated
	default:
		return f.family() == attacking || f.family() == implanted
	}
}

// Names of facts of kindChecking and kindPayloadSent.
const (
	checkedPatch   = "MS17-010"
	checkedImplant = "DoublePulsar"
)

// peerKind returns what a fact about a host says of its peer; the name is
// empty for nothing.
func peerKind(k kind) (of kind, sure float64, name string) {
	switch k {
	case kindVulnerable, kindPatched, kindPatchUnknown:
		return kindChecking, sureChecking, checkedPatch
	case kindProbed, kindClean, kindImplanted:
		return kindChecking, sureChecking, checkedImplant
	case kindExecuted, kindPayload:
		return kindPayloadSent, sureAttacking, checkedImplant
	default:
		return 0, 0, ""
	}
}
