package scope

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/plural"
)

// DocumentVersion is the version of the scope document's format.
const DocumentVersion = 1

// Document returns the scope as it stands. It shares nothing with the ledger.
func (l *Ledger) Document(c Capture) Document {
	zones := newZoneCounter(l.zones)
	var list []judged
	for h := range l.judgedHosts(zones) {
		list = append(list, h)
	}
	slices.SortFunc(list, judged.compare)
	d := l.document(c, zones, list)
	d.Matrix = l.matrix(list)
	return d
}

// document writes down the hosts of a list, with the counts of all.
func (l *Ledger) document(c Capture, zones *zoneCounter, list []judged) Document {
	d := Document{
		Version:    DocumentVersion,
		Capture:    c.summary(),
		Hosts:      make([]HostEntry, 0, len(list)),
		External:   l.scanners(),
		NeverBlock: l.neverBlock(),
		Internal:   l.scannersInside(),
		Attacks:    l.attackList(),
	}
	spread := l.spread(list)
	for _, h := range list {
		e := l.entry(&h, c.Files)
		e.InfectedBy = l.sources(spread[h.addr], c.Files)
		e.PatientZero = h.verdict.state == Infected && !fromInside(e.InfectedBy)
		d.Hosts = append(d.Hosts, e)
	}
	d.Zones, d.Totals = zones.result()
	d.Totals.External = uint64(len(d.External))
	d.NotInside, d.Behind = l.likelyOwn(), l.behind()
	d.Borders = l.borderList()
	d.Marks = l.markItems()
	d.Capture.Warnings = append(d.Capture.Warnings, slices.Concat(l.warnings(), d.behindWarnings(), l.passedOnWarnings())...)
	return d
}

// summary copies what was looked at, so that nothing of it is null.
func (c *Capture) summary() CaptureSummary {
	s := CaptureSummary{
		Packets: c.Packets, Bytes: c.Bytes, Dropped: c.Dropped,
		Undecoded: map[string]uint64{},
		NotIP:     c.NotIP,
		Warnings:  append([]string{}, c.Warnings...),
		Files:     append([]string{}, c.Files...),
		Sensors:   append([]string(nil), c.Sensors...),
	}
	maps.Copy(s.Undecoded, c.Undecoded)
	if !c.First.IsZero() {
		first, last := c.First.UTC(), c.Last.UTC()
		s.First, s.Last = &first, &last
	}
	return s
}

// warnings says what the ledger itself had to leave out, and whom it does not list.
func (l *Ledger) warnings() []string {
	var w []string
	var gone, ill uint64
	for level, n := range l.hosts.evicted {
		gone += n
		if level >= int(Suspected) {
			ill += n
		}
	}
	if gone > 0 {
		w = append(w, fmt.Sprintf("the ledger was full at %s hosts: %s of the least state%s dropped, %s of them suspected or infected",
			grouped(l.hosts.limit), grouped(gone), plural.Word(gone, " was", " were"), grouped(ill)))
	}
	if n := l.external.evicted[0] + l.external.evicted[1]; n > 0 {
		w = append(w, fmt.Sprintf("the list of outside scanners was full at %s: %s%s dropped",
			grouped(l.external.limit), grouped(n), plural.Word(n, " was", " were")))
	}
	if l.lost > 0 {
		w = append(w, fmt.Sprintf("floods and distributed scans: only the first %s are listed", grouped(maxAttacks)))
	}
	if l.bordersLost > 0 {
		w = append(w, fmt.Sprintf("closed borders: only the first %s findings are counted", grouped(maxBorders)))
	}
	return append(w, l.notInsideWarnings()...)
}

// A judged host is one with the verdict about it.
type judged struct {
	*host
	verdict
	first             int64 // Unix nanoseconds
	smb, fromInternet bool  // answers on an SMB port, and to outside
	attack            kind  // the worst exploit of a targeted host: completed, attempted, or neither
	patch             patch
}

// urgency ranks hosts that show no sign of infection by how soon they would:
// those that were exploited, then those that the internet reaches, then those
// that are known to be open.
func (h *judged) urgency() int {
	u := 0
	if h.verdict.state >= Suspected {
		return u
	}
	if h.attack == kindExploitCompleted {
		u += 8
	}
	if h.fromInternet {
		u += 4
	}
	if h.patch.state == alert.PatchVulnerable {
		u += 2
	}
	if h.asset != nil && h.asset.Affected {
		u++
	}
	return u
}

// compare orders hosts as the document lists them, worst first.
func (h judged) compare(g judged) int {
	return cmp.Or(
		cmp.Compare(g.verdict.state, h.verdict.state),
		cmp.Compare(g.urgency(), h.urgency()),
		cmp.Compare(g.confidence, h.confidence),
		cmp.Compare(h.first, g.first),
		h.addr.Compare(g.addr),
	)
}

// judgedHosts yields the hosts that are listed, in no order to rely on, and
// counts them.
func (l *Ledger) judgedHosts(zones *zoneCounter) iter.Seq[judged] {
	return func(yield func(judged) bool) {
		for h := range l.hosts.all() {
			if h.state == Seen {
				continue
			}
			j := judged{host: h, verdict: h.judge(), patch: h.patch()}
			j.first, _ = h.span()
			j.smb, j.fromInternet = h.exposure()
			if j.verdict.state == Targeted {
				j.attack = h.attack()
			}
			zones.add(l.zones.Name(h.addr), &j)
			if !yield(j) {
				return
			}
		}
	}
}

// entry writes one host down.
func (l *Ledger) entry(h *judged, files []string) HostEntry {
	v := h.verdict
	e := HostEntry{
		IP: h.addr.String(), Zone: l.zones.Name(h.addr),
		State: v.state, Confidence: rounded(v.confidence),
		KillSwitch: h.killSwitch().String(),
		Role:       h.roles(), Marks: h.markKinds(), Facts: make([]FactItem, 0, len(h.facts)), LeftOut: h.briefs(),
		Unlisted: h.unlisted(), Totals: h.totals(), Allowed: l.trust.mayScan(h.addr),
		Asset: h.asset.entry(),
	}
	e.Patch, e.PatchSure, e.PatchWhy = string(h.patch.state), rounded(h.patch.confidence), h.patch.why
	e.FromInternet = h.fromInternet
	first, last := h.span()
	e.FirstSeen, e.LastSeen = time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
	if v.state >= Suspected {
		since := h.since()
		if since.After(e.LastSeen) { // the alarm about a scan can come after its last attempt
			since = e.LastSeen
		}
		e.Since = &since
	}
	facts := slices.Clone(h.facts)
	slices.SortFunc(facts, func(a, b fact) int { return compareFacts(&a, &b) })
	for i := range facts {
		e.Facts = append(e.Facts, h.item(&facts[i], files))
	}
	e.rouse()
	return e
}

// speaksAgainst reports whether a fact makes the host suspicious.
func (h *host) speaksAgainst(f *fact) bool {
	return f.kind.family() != harmless && h.weight(f) > 0
}

// item writes one fact down.
func (h *host) item(f *fact, files []string) FactItem {
	i := FactItem{
		Fact: f.kind.String(), Confidence: rounded(h.weight(f)),
		First: time.Unix(0, f.first).UTC(), Last: time.Unix(0, f.last).UTC(), Count: f.count,
		Port: f.port, Alert: f.id, Name: f.name(), Detail: f.words(), Counts: h.speaksAgainst(f), Outside: f.outside, Unasked: f.unasked,
	}
	if f.peer.IsValid() {
		i.Peer = f.peer.String()
	}
	if f.smb != nil {
		i.Rule, i.Alert = string(f.kind.smbRule()), f.smb.alert
	}
	if f.kind == kindExposed && f.id != "" {
		i.Rule = string(alert.RuleExposure)
	}
	if f.alert != nil {
		i.Rule = string(f.alert.Rule)
		if by := f.by; by != nil {
			i.Indicator, i.Feed, i.Class, i.Exact = by.Value, by.Feed, by.Class.String(), by.Exact
		}
		if d := f.alert.Evidence.DNS; d != nil {
			for _, a := range d.Resolved {
				i.Resolved = append(i.Resolved, a.String())
			}
		}
	}
	i.Frames, i.FrameFiles = frameList(f.evidence(), files)
	return i
}

// frameList returns the numbers of frames, and their files where that is
// needed to tell them apart.
func frameList(refs []alert.FrameRef, files []string) (numbers []uint64, names []string) {
	numbers = make([]uint64, 0, len(refs))
	for _, r := range refs {
		numbers = append(numbers, r.Number)
		if len(files) > 1 && r.File >= 0 && r.File < len(files) {
			names = append(names, files[r.File])
		}
	}
	return numbers, names
}

// exposure reports whether the host answers on an SMB port, and whether to
// outside.
func (h *host) exposure() (smb, fromInternet bool) {
	for i := range h.facts {
		if f := &h.facts[i]; h.answersSMB(f) {
			smb = true
			fromInternet = fromInternet || f.outside
		}
	}
	return smb, fromInternet
}

// attack returns the kind of the worst exploit that was tried on the host,
// kindExposed for none.
func (h *host) attack() kind {
	worst := kindExposed
	for i := range h.facts {
		f := &h.facts[i]
		if (f.kind == kindExploitAttempted || f.kind == kindExploitCompleted) && h.weight(f) > 0 {
			worst = max(worst, f.kind)
		}
	}
	return worst
}

// A zoneCounter counts hosts by zone.
type zoneCounter struct {
	total  Totals
	byName map[string]*ZoneSummary
	order  []string // named zones first, in their own order
}

func newZoneCounter(m *zone.Map) *zoneCounter {
	c := &zoneCounter{byName: make(map[string]*ZoneSummary)}
	for _, name := range append(slices.Clone(m.Names()), zone.Internal) {
		if name != zone.Internet && c.byName[name] == nil {
			c.byName[name] = &ZoneSummary{Name: name}
			c.order = append(c.order, name)
		}
	}
	return c
}

// add counts one host. Hosts of the ledger are inside, so its zone is known.
func (c *zoneCounter) add(name string, h *judged) {
	z := c.byName[name]
	z.Hosts.add(h.verdict.state)
	c.total.add(h.verdict.state)
	c.total.system(h)
	switch h.attack {
	case kindExploitCompleted:
		c.total.Exploited++
	case kindExploitAttempted:
		c.total.Attacked++
	default:
	}
	if !h.smb {
		return
	}
	z.SMBExposed++
	c.total.SMBExposed++
	if h.fromInternet {
		z.FromInternet++
		c.total.FromInternet++
	}
}

// system counts one host by its patch and its system.
func (t *Totals) system(h *judged) {
	switch h.patch.state {
	case alert.PatchVulnerable:
		t.Vulnerable++
	case alert.PatchPatched:
		t.Patched++
	case alert.PatchUnknown:
	}
	if h.asset != nil && h.asset.OutOfSupport {
		t.OutOfSupport++
	}
}

// result lists all named zones, and the rest of inside where it has hosts or
// there are no named zones.
func (c *zoneCounter) result() ([]ZoneSummary, Totals) {
	zones := []ZoneSummary{}
	for _, name := range c.order {
		z := *c.byName[name]
		if name == zone.Internal && z.Hosts == (StateCounts{}) && len(c.order) > 1 {
			continue
		}
		zones = append(zones, z)
	}
	return zones, c.total
}

// rounded cuts a confidence to what it is good for.
func rounded(c float64) float64 { return math.Round(c*1000) / 1000 }
