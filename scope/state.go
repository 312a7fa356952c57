package scope

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"wormscope/detect/alert"
)

// State is how far the worm has got with a host. The states are ordered: a
// host has the worst that its facts support.
type State uint8

// The states of a host, from harmless to worst. docs/scope.md says what leads
// to each.
const (
	Seen      State = iota // known for its role only; not listed
	Exposed                // answers on port 445 or 139
	Targeted               // a scanner tried it, or an indicator address called on it
	Suspected              // its own acts look like a worm's
	Infected               // its own acts prove the worm, or nearly so
)

const stateCount = 5

// String returns the state as the scope document names it.
func (s State) String() string {
	return [stateCount]string{"seen", "exposed", "targeted", "suspected", "infected"}[s]
}

// MarshalText makes the state a word in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a word that MarshalText wrote.
func (s *State) UnmarshalText(text []byte) error {
	for st := range State(stateCount) {
		if st.String() == string(text) {
			*s = st
			return nil
		}
	}
	return fmt.Errorf("unknown host state %q", text)
}

// Severity is how much it matters that a host is in the state.
func (s State) Severity() alert.Severity {
	return [stateCount]alert.Severity{alert.Info, alert.Info, alert.Low, alert.High, alert.Critical}[s]
}

// Where the combined confidence of a host's own acts leads. Chosen so that one
// act of an unrated indicator suffices for suspicion and none for infection.
const (
	suspectedFrom = 0.30
	infectedFrom  = 0.95 // and only with two independent families that each suffice for suspicion
)

// A kind is a kind of fact, the word that the scope document uses.
type kind uint8

const (
	kindExposed   kind = iota // answers on a lateral port
	kindTargeted              // was tried
	kindBeaconing             // asked for, or called on, an indicator
	kindScanning              // scans
	kindCrossing              // went over a border that policy closes

	// What was learned from SMB, see package alert.
	kindVulnerable
	kindPatched
	kindPatchUnknown
	kindExploitAttempted
	kindExploitCompleted
	kindProbed
	kindClean
	kindImplanted
	kindKilled
	kindExecuted
	kindPayload
	kindMark
	kindExploitSent
	// What these facts about a host say of their peer.
	kindChecking    // checked others for MS17-010, or for an implant
	kindPayloadSent // had an implant run code
)

const kindCount = 20

func (k kind) String() string {
	return [kindCount]string{
		kindExposed: "exposed", kindTargeted: "targeted", kindBeaconing: "beaconing", kindScanning: "scanning",
		kindCrossing:   "crossing",
		kindVulnerable: "vulnerable", kindPatched: "patched", kindPatchUnknown: "unknown",
		kindExploitAttempted: "exploit-attempted", kindExploitCompleted: "exploit-completed",
		kindProbed: "implant-probed", kindClean: "not-implanted", kindImplanted: "implanted",
		kindKilled: "implant-killed", kindExecuted: "implant-executed", kindPayload: "payload-delivered",
		kindMark: "wannacry-mark", kindExploitSent: "exploit-sent",
		kindChecking: "checking", kindPayloadSent: "payload-sent",
	}[k]
}

// A family is a group of kinds whose facts may tell the same story: the lookup
// of a name and the contact that follows it are one act seen twice. Within a
// family the strongest fact counts; only families add up.
type family uint8

const (
	harmless  family = iota // says nothing of the host's own acts
	beaconing               // it calls on indicators
	scanning                // it looks for others, and at how they can be attacked
	attacking               // it attacks others
	implanted               // it runs what another host sent it
)

const familyCount = 5

// family returns the family that a kind belongs to. A new kind of fact needs a
// line here and one in String, and a function that rates it.
func (k kind) family() family {
	return [kindCount]family{
		kindExposed:   harmless,
		kindTargeted:  harmless,
		kindBeaconing: beaconing,
		kindScanning:  scanning,
		kindCrossing:  harmless, // a hole in the border, whoever uses it
		kindChecking:  scanning,

		kindMark:        attacking,
		kindExploitSent: attacking,
		kindPayloadSent: attacking,

		kindImplanted: implanted,
		kindExecuted:  implanted,
		kindPayload:   implanted,
		// The others are what was done to the host, and how it is patched.
	}[k]
}

// family returns the family that a fact belongs to. The mark of tools that check is
// one act with their check.
func (f *fact) family() family {
	if f.kind == kindMark && f.name() == toolMark {
		return scanning
	}
	return f.kind.family()
}

// received reports whether facts of a kind say that their peer tried
// something on the host.
func (k kind) received() bool {
	switch k {
	case kindTargeted, kindExploitAttempted, kindExploitCompleted, kindProbed, kindClean:
		return true
	default:
		return false
	}
}

// A verdict is what the facts about a host come to.
type verdict struct {
	state      State
	confidence float64 // in the state, 0 to 1
	several    bool    // infected: acts of several families say so
}

// level is how important it is to keep a host: by its state, and of those that
// are infected the most of whom several families of acts tell. One alone, such as
// lookups of a kill-switch name, can be forged in the name of any number of hosts.
func (v verdict) level() uint8 {
	if v.several {
		return uint8(v.state) + 1
	}
	return uint8(v.state)
}

// grounds are the facts that a verdict may rest on; nil where there is none.
type grounds struct {
	strongest                [familyCount]*fact // that weigh anything
	exposed, targeted, proof *fact              // the earliest
}

// judge weighs the facts about a host. It depends on the facts alone, not on
// the order in which they came, so that a verdict is revised when one of them
// is: a resolver that was learned late is no longer suspected.
func (h *host) judge() verdict {
	g := h.grounds()
	confidence, families := h.combine(&g)
	switch {
	case g.proof != nil || confidence >= infectedFrom && families > 1:
		return verdict{Infected, confidence, families > 1}
	case confidence >= suspectedFrom:
		return verdict{state: Suspected, confidence: confidence}
	case g.targeted != nil:
		return verdict{state: Targeted, confidence: g.targeted.confidence}
	case g.exposed != nil:
		return verdict{state: Exposed, confidence: g.exposed.confidence}
	default:
		return verdict{state: Seen}
	}
}

// because returns the facts that decided for a state, strongest first; none
// for Seen.
func (h *host) because(s State) []*fact {
	g := h.grounds()
	switch s {
	case Infected, Suspected:
		decided := slices.DeleteFunc(g.strongest[:], func(f *fact) bool { return f == nil })
		slices.SortStableFunc(decided, func(a, b *fact) int { return cmp.Compare(h.weight(b), h.weight(a)) })
		return decided
	case Targeted:
		return []*fact{g.targeted}
	case Exposed:
		return []*fact{g.exposed}
	default:
		return nil
	}
}

// grounds looks for the facts that decide about a host.
func (h *host) grounds() (g grounds) {
	for i := range h.facts {
		f := &h.facts[i]
		if fam := f.family(); fam != harmless && h.weight(f) > 0 && h.outweighs(f, g.strongest[fam]) {
			g.strongest[fam] = f
		}
		switch {
		case h.answersSMB(f) && earlier(f, g.exposed):
			g.exposed = f
		case f.kind.received() && h.weight(f) > 0 && earlier(f, g.targeted):
			g.targeted = f
		case h.proven(f) && earlier(f, g.proof):
			g.proof = f
		}
	}
	return g
}

// weight is a fact's confidence for this host. What a resolver asks, or whom
// it calls on port 53, is its clients' doing and weighs nothing, nor does what an
// analyst has explained.
func (h *host) weight(f *fact) float64 {
	if h.resolver && f.viaDNS || h.excused(f) {
		return 0
	}
	return f.sure()
}

// outweighs reports whether f decides rather than g: by weight, then by time.
func (h *host) outweighs(f, g *fact) bool {
	if g == nil {
		return true
	}
	if wf, wg := h.weight(f), h.weight(g); wf != wg {
		return wf > wg
	}
	return earlier(f, g)
}

// combine returns the noisy-OR of the strongest fact of each family, and how
// many families have one that suffices for suspicion.
func (h *host) combine(g *grounds) (confidence float64, families int) {
	doubt := 1.0
	for _, f := range g.strongest {
		if f == nil {
			continue
		}
		doubt *= 1 - h.weight(f)
		if h.weight(f) >= suspectedFrom {
			families++
		}
	}
	// Rounded, so that .5 and .9 reach .95 in binary, too.
	return math.Round((1-doubt)*1e6) / 1e6, families
}

// answersSMB reports whether a fact is that the host answers on an SMB port, and
// has not been reinstalled since.
func (h *host) answersSMB(f *fact) bool {
	return f.kind == kindExposed && alert.IsSMB(f.port) && !h.excused(f)
}

// frameOf returns the first frame that an alert shows, or none.
func frameOf(a *alert.Alert) alert.FrameRef {
	if len(a.Frames) == 0 {
		return alert.FrameRef{}
	}
	return a.Frames[0]
}
