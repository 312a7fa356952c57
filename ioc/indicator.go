// Package ioc matches what is seen on the wire against indicators of
// compromise: names, addresses and networks from feeds. It imports nothing of
// the house.
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
	Line        int        // where in the feed, 1-based; 0 where lines mean nothing
	Description string     // malware, campaign or comment, as the feed gives it
	Reference   string     // URL of a report
	Confidence  Confidence // the feed's own, or its default
	TLP         string     // traffic light protocol marking in ECS's words, empty when the feed gives none
	FirstSeen   time.Time  // as the feed says; zero when it does not
	Expires     time.Time  // alerts no more after this packet time; zero for never
}

// Type is what kind of observable an indicator is.
type Type uint8

// The types of indicator.
const (
	Domain Type = iota
	Address
	Network
)

// Class says what a match means.
type Class uint8

// The classes of indicator.
const (
	Malicious  Class = iota
	KillSwitch       // a lookup proves infection; the name must never be blocked
	Sinkhole         // run by defenders: a contact means infected
	Anonymizer       // Tor and the like: low weight
)

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
