package event

import "strings"

// How much a short event keeps of what can be long.
const (
	shortList = 4   // elements of a list
	shortText = 512 // bytes
)

// Short returns the event without what can be long and is not needed to know what
// was found: samples, most of the addresses that a name resolved to, the indicator
// name that an alias led to, and a feed's description. How long these are, outsiders
// decide. The event itself is not changed.
func (e *Event) Short() Event {
	short := *e
	if e.Change != nil {
		c := *e.Change
		c.Why = cut(c.Why)
		short.Change = &c
	}
	if e.Alert == nil {
		return short
	}
	a := *e.Alert
	short.Alert = &a
	a.Frames = firsts(a.Frames)
	if i := a.Indicator; i != nil {
		kept := *i
		kept.Description, kept.AlsoIn = "", nil
		if len(kept.Reference) > shortText {
			kept.Reference = "" // a part of an address is of no use
		}
		a.Indicator = &kept
	}
	if s := a.Evidence.Scan; s != nil {
		kept := *s
		kept.Ports, kept.Sample = firsts(kept.Ports), firsts(kept.Sample)
		a.Evidence.Scan = &kept
	}
	if d := a.Evidence.DNS; d != nil {
		kept := *d
		kept.Resolved, kept.Listed = firsts(kept.Resolved), firsts(kept.Listed)
		if kept.Matched != kept.Question {
			kept.Matched = ""
		}
		a.Evidence.DNS = &kept
	}
	return short
}

func firsts[T any](list []T) []T { return list[:min(len(list), shortList)] }

// cut returns the beginning of a text.
func cut(text string) string {
	if len(text) <= shortText {
		return text
	}
	return strings.ToValidUTF8(text[:shortText], "") + "…"
}
