package scope

import (
	"encoding/json"
	"io"
	"time"

	"wormscope/internal/visible"
)

// Document is the scope document, version 1, as --scope writes it. Arrays are
// never null; times are UTC. docs/scope.md describes each field.
type Document struct {
	Version  int            `json:"version"`
	Capture  CaptureSummary `json:"capture"`
	Totals   Totals         `json:"totals"`
	Zones    []ZoneSummary  `json:"zones"`
	Hosts    []HostEntry    `json:"hosts"`    // inside, worst first
	External []Scanner      `json:"external"` // outside scanners: what to block
	// NeverBlock are those of the outside scanners, and of the indicator addresses
	// that hosts had to do with, that must not be blocked. Absent when there is none.
	NeverBlock []Protected `json:"never_block,omitempty"`
	// Internal are inside hosts that scan, and are not suspected for it: nearly all
	// answered them, as when a server pushes to its clients; and those that check
	// others for MS17-010 or DoublePulsar. Absent when nobody does.
	Internal []Scanner `json:"internal,omitempty"`
	// NotInside are hosts that scan or attack others, were attacked, contacted an
	// indicator address, or asked for a kill-switch name, may be the institution's
	// own, and do not count as inside. Absent when there is none.
	NotInside []string `json:"not_inside,omitempty"`
	// Behind are hosts inside that asked for a kill-switch name on behalf of others
	// that the capture does not show. Absent when there is none.
	Behind  []string     `json:"behind,omitempty"`
	Attacks []Attack     `json:"attacks"` // floods and distributed scans
	Matrix  []ZoneAttack `json:"matrix"`  // who attacked whom, by zone
	// Borders is what was seen of borders that policy closes; absent when nothing.
	Borders []Border `json:"borders,omitempty"`
	// Marks is what analysts said of hosts, listed or not; absent when nothing.
	Marks []MarkItem `json:"marks,omitempty"`
}

// Capture is what the ledger can't know of the traffic it was told about.
type Capture struct {
	First, Last time.Time         // of the packets; zero when there were none
	Packets     uint64            // frames read
	Bytes       uint64            // on the wire
	Dropped     uint64            // frames that the capture is known to lack
	Undecoded   map[string]uint64 // frames that could not be decoded, by reason
	NotIP       uint64            // frames with nothing of IP in them, which are not examined
	Warnings    []string          // what weakens the conclusions, one sentence each
	Files       []string          // names of the capture files, by the index that alerts use
	// Sensors are those that told the ledger, where it did not see the packets
	// itself: how many there were is not known then.
	Sensors []string
}

// CaptureSummary is what was looked at, and what could not be seen.
type CaptureSummary struct {
	First     *time.Time        `json:"first"` // null when no packet was read
	Last      *time.Time        `json:"last"`
	Packets   uint64            `json:"packets"`
	Bytes     uint64            `json:"bytes"`
	Dropped   uint64            `json:"dropped"`
	Undecoded map[string]uint64 `json:"undecoded"`
	NotIP     uint64            `json:"not_ip,omitempty"` // frames with nothing of IP in them
	Warnings  []string          `json:"warnings"`
	Files     []string          `json:"files"`
	// Sensors are those that a joint ledger is of; absent for any other, which
	// counts packets.
	Sensors []string `json:"sensors,omitempty"`
}

// StateCounts counts hosts by state: each host once, in its worst state.
type StateCounts struct {
	Infected  uint64 `json:"infected"`
	Suspected uint64 `json:"suspected"`
	Targeted  uint64 `json:"targeted"`
	Exposed   uint64 `json:"exposed"`
}

// add counts one host.
func (c *StateCounts) add(s State) {
	switch s {
	case Infected:
		c.Infected++
	case Suspected:
		c.Suspected++
	case Targeted:
		c.Targeted++
	case Exposed:
		c.Exposed++
	case Seen:
	}
}

// Totals counts the whole institution.
type Totals struct {
	StateCounts
	SMBExposed   uint64 `json:"smb_exposed"`       // answer on 445 or 139, whatever their state
	FromInternet uint64 `json:"smb_from_internet"` // of these, also to outside
	External     uint64 `json:"external"`          // outside scanners
	// Of all listed hosts, whatever their state:
	Vulnerable   uint64 `json:"vulnerable"`     // known not to have the patch of MS17-010
	Patched      uint64 `json:"patched"`        // known to have it, or not to need it
	OutOfSupport uint64 `json:"out_of_support"` // run a system that gets no more fixes
	// Of the targeted hosts:
	Exploited uint64 `json:"exploited"` // an exploit got through to them
	Attacked  uint64 `json:"attacked"`  // one was tried on them, and is not known to have got through
}

// ZoneSummary counts one zone.
type ZoneSummary struct {
	Name         string      `json:"name"`
	Hosts        StateCounts `json:"hosts"`
	SMBExposed   uint64      `json:"smb_exposed"`
	FromInternet uint64      `json:"smb_from_internet"`
}

// HostEntry is one inside host.
type HostEntry struct {
	IP         string     `json:"ip"`
	Zone       string     `json:"zone"`
	State      State      `json:"state"`
	Confidence float64    `json:"confidence"`      // in the state, 0 to 1
	Since      *time.Time `json:"since,omitempty"` // first act of an infected or suspected host
	FirstSeen  time.Time  `json:"first_seen"`      // of all facts
	LastSeen   time.Time  `json:"last_seen"`
	Patch      string     `json:"patch"`                 // of MS17-010: vulnerable, patched or unknown
	PatchSure  float64    `json:"patch_confidence"`      // 0 to 1, 0 when unknown
	PatchWhy   string     `json:"patch_why,omitempty"`   // what tells
	KillSwitch string     `json:"kill_switch,omitempty"` // reached, not reached or unknown; absent when not asked for
	Role       []string   `json:"role"`
	Marks      []MarkKind `json:"marks,omitempty"` // absent when there is none
	// Allowed says that it may scan, or acts for others, by the configuration.
	Allowed bool `json:"allowed,omitempty"`
	// FromInternet says that the host answers outside hosts on 445 or 139.
	FromInternet bool           `json:"smb_from_internet"`
	Asset        *AssetEntry    `json:"asset,omitempty"` // absent when its SMB server said nothing
	Facts        []FactItem     `json:"facts"`
	LeftOut      int            `json:"facts_left_out,omitempty"`      // facts beyond the limit per host
	Unlisted     []MetIndicator `json:"indicators_left_out,omitempty"` // of these facts
	Totals       []FactTotal    `json:"fact_totals,omitempty"`         // of kinds that have some of these
	InfectedBy   []Source       `json:"infected_by"`                   // who may have, likeliest first; of infected and suspected hosts
	// PatientZero says that the host is infected and nobody inside is known to
	// have infected it.
	PatientZero bool `json:"patient_zero_candidate"`
}

// FactItem is one fact about a host.
type FactItem struct {
	Fact       string    `json:"fact"`
	Confidence float64   `json:"confidence"` // 0 to 1; 0 where it does not count: done for clients, or overtaken by a mark
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Count      uint64    `json:"count"`
	Peer       string    `json:"peer,omitempty"`
	Port       uint16    `json:"port,omitempty"`
	Frames     []uint64  `json:"frames"`                // 1-based within their file
	FrameFiles []string  `json:"frame_files,omitempty"` // of each frame, when there are several files
	Rule       string    `json:"rule,omitempty"`        // event.action of the alert
	Alert      string    `json:"alert,omitempty"`       // wormscope.alert.id of the alert
	Indicator  string    `json:"indicator,omitempty"`
	Feed       string    `json:"feed,omitempty"`
	// Class is the indicator's: malicious, kill-switch, sinkhole or anonymizer.
	Class    string   `json:"indicator_class,omitempty"`
	Name     string   `json:"name,omitempty"`           // of the exploit, the mark or the implant
	Exact    bool     `json:"exact,omitempty"`          // the indicator is this name, and not what is below it
	Resolved []string `json:"resolved,omitempty"`       // addresses that a lookup led to
	Detail   string   `json:"detail"`                   // the fact in words
	Counts   bool     `json:"speaks_against,omitempty"` // it makes the host suspicious
	Outside  bool     `json:"from_outside,omitempty"`   // exposed: reached from outside
	Unasked  bool     `json:"unasked,omitempty"`        // an answer that nobody was seen to ask for
}

// Scanner is a host that scans the institution, from outside or inside.
type Scanner struct {
	IP       string    `json:"ip"`
	Ports    []uint16  `json:"ports"`
	Targets  uint64    `json:"targets"`  // sum over its scans
	Answered uint64    `json:"answered"` // attempts that inside hosts accepted
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Frames   []uint64  `json:"frames"`
	Alerts   []string  `json:"alerts"`
	Attacks  []string  `json:"attacks,omitempty"` // what it did over SMB, such as EternalBlue
	// Indicator is the one that lists it, when it is an indicator address that
	// tried many hosts.
	Indicator string `json:"indicator,omitempty"`
}

// Attack is a finding with many sources.
type Attack struct {
	Kind    string    `json:"kind"` // flood or distributed-scan
	Target  string    `json:"target"`
	Zone    string    `json:"zone"`
	Port    uint16    `json:"port"`
	Sources uint64    `json:"sources"`
	Count   uint64    `json:"count"` // packets or attempts
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Alert   string    `json:"alert"`
}

// Blank reports whether there was nothing to judge: no packet was examined, because
// none could be or a filter left all out, and nothing was found. While a run has not
// said how much it looked at, what it found says that it did.
func (d *Document) Blank() bool {
	left := d.Capture.NotIP
	for _, n := range d.Capture.Undecoded {
		left += n
	}
	found := len(d.Hosts) + len(d.External) + len(d.Internal) + len(d.Attacks) + len(d.Borders)
	examined := d.Capture.First != nil && left < d.Capture.Packets
	return !examined && len(d.Capture.Sensors)+found == 0
}

// OthersOnly reports whether nothing inside is known to be affected, and hosts that
// may be the institution's own do not count as inside.
func (d *Document) OthersOnly() bool { return len(d.NotInside) > 0 && d.Totals.noneAffected() }

// UnseenOnly reports whether nothing inside is known to be affected, and some host
// that the capture does not show had a kill-switch name looked up.
func (d *Document) UnseenOnly() bool { return len(d.Behind) > 0 && d.Totals.noneAffected() }

// noneAffected reports whether no host inside is known to be affected.
func (t *Totals) noneAffected() bool {
	return t.Infected+t.Suspected+t.Exploited+t.Attacked == 0
}

// WriteJSON writes the document, indented, with a final newline.
func (d *Document) WriteJSON(w io.Writer) error {
	indented := newIndenter(w)
	e := json.NewEncoder(visible.NewWriter(indented)) // names in it are what strangers wrote
	e.SetEscapeHTML(false)
	if err := e.Encode(d); err != nil {
		return err
	}
	return indented.Flush()
}
