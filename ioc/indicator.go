// Package ioc matches what is seen on the wire against indicators of
// compromise: names, addresses and networks from feeds. It imports nothing of
// the house but internal/ip.
//
// A [Builder] takes indicators, from package feed or by hand, and makes a
// [Set] of them: immutable, so that any number of goroutines may ask it, and
// small enough for a million names in less than 40 MB.
//
// # Where to begin
//
// Builder.Add (builder.go) and Set.Name and Set.Address (set.go). Names are found in
// names.go, by a table (nametable.go) of the hashes of their texts (arena.go), and kill
// switches also in the middle of a name (killswitch.go). Addresses are in addresses.go,
// networks in networks.go. Nearly all that is asked about is no indicator: filters
// (hash.go), and Tails (tails.go) for names, answer without a look at the tables. What
// feeds say of an indicator is kept in note.go and entry.go. draft.go and batch.go make
// it fast to add a million names, which name.go checks.
package ioc

import "time"

// An Indicator is one observable that a feed calls bad, and what the feed
// says of it.
type Indicator struct {
	Type        Type
	Value       string // canonical: lower-case A-labels without a trailing dot, an address, a masked prefix
	Port        uint16 // the feed names this port only; 0 for any
	Class       Class
	Exact       bool       // a name that matches itself only, not what is below it
	Feed        string     // name of the feed
	AlsoIn      []string   // names of further feeds that list it, in their order
	Line        int        // where in the feed, 1-based; 0 where lines mean nothing, or once a better entry has expired
	Description string     // malware, campaign or comment, as the feed gives it
	Reference   string     // URL of a report
	Confidence  Confidence // the feed's own, or its default
	TLP         string     // traffic light protocol marking in ECS's words, empty when the feed gives none
	FirstSeen   time.Time  // as the feed says, whole seconds; zero when it does not
	Expires     time.Time  // raises no alert after this packet time, whole seconds; zero for never
}

// Type is what kind of observable an indicator is.
type Type uint8

// The types of indicator.
const (
	Domain Type = iota
	Address
	Network
)

// String returns domain, address or network.
func (t Type) String() string { return word(t, "domain", "address", "network") }

// Class says what a match means.
type Class uint8

// The classes of indicator.
const (
	Malicious  Class = iota
	KillSwitch       // a lookup proves infection; the name must never be blocked
	Sinkhole         // run by defenders: a contact means infected
	Anonymizer       // Tor and the like: low weight
)

// String returns malicious, kill-switch, sinkhole or anonymizer.
func (c Class) String() string {
	return word(c, "malicious", "kill-switch", "sinkhole", "anonymizer")
}

// weight orders classes by what they say of an observable: kill-switch,
// sinkhole, malicious, anonymizer.
func (c Class) weight() int {
	return [...]int{Malicious: 1, KillSwitch: 3, Sinkhole: 2, Anonymizer: 0}[c]
}

// Confidence is how sure a feed is, in ECS's words.
type Confidence uint8

// The steps of confidence (threat.indicator.confidence).
const (
	NotSpecified Confidence = iota
	None
	LowConfidence
	MediumConfidence
	HighConfidence
)

// String returns the word that ECS has for threat.indicator.confidence:
// Not Specified, None, Low, Medium or High.
func (c Confidence) String() string {
	return word(c, "Not Specified", "None", "Low", "Medium", "High")
}

// weight orders confidences; of a feed that says nothing it is that of one that
// says medium, or a little less.
func (c Confidence) weight() int {
	return [...]int{None: 0, LowConfidence: 1, NotSpecified: 2, MediumConfidence: 3, HighConfidence: 4}[c]
}

// word returns the word of a small enumeration, or "invalid".
func word[E ~uint8](e E, words ...string) string {
	if int(e) >= len(words) {
		return "invalid"
	}
	return words[e]
}
