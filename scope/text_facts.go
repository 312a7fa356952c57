package scope

import (
	"slices"
	"strings"

	"wormscope/detect/alert"
)

// A line is what the text summary says of one or several facts about a host
// that tell the same of different peers.
type line struct {
	first  *FactItem
	kind   kind
	smb    bool
	peers  []string
	names  []string // of marks
	count  uint64
	counts bool       // speaks against the host
	weighs bool       // any of them has a confidence
	total  *FactTotal // of all, where not all are listed; else nil
}

// lines gathers the facts about a host, in the order of their first: apart those
// that speak against it, and those that do not, such as from before it was cleaned.
func (h *HostEntry) lines() []line {
	var list []line
	for i := range h.Facts {
		f := &h.Facts[i]
		k, smb := smbKindNamed(f.Fact)
		if h.saidBetter(k) {
			continue
		}
		at := slices.IndexFunc(list, func(l line) bool {
			return smb && l.smb && l.kind == k && l.counts == f.Counts && (k == kindMark || l.first.Name == f.Name)
		})
		if at < 0 {
			list = append(list, line{first: f, kind: k, smb: smb, counts: f.Counts})
			at = len(list) - 1
			if smb {
				list[at].total = h.total(k, f.Name)
			}
		}
		list[at].add(f)
	}
	return list
}

// saidBetter reports whether another fact about the host says more than those
// of a kind.
func (h *HostEntry) saidBetter(k kind) bool {
	return k == kindExecuted && slices.ContainsFunc(h.Facts, func(f FactItem) bool { return f.Fact == kindPayload.String() })
}

// smbKindNamed returns the kind of facts from SMB that a word of the scope
// document stands for.
func smbKindNamed(word string) (kind, bool) {
	for k := kindVulnerable; k < kindCount; k++ {
		if k.String() == word {
			return k, true
		}
	}
	return 0, false
}

// add gathers one fact.
func (l *line) add(f *FactItem) {
	l.count += f.Count
	l.weighs = l.weighs || f.Confidence > 0
	if f.Peer != "" && !slices.Contains(l.peers, f.Peer) {
		l.peers = append(l.peers, f.Peer)
	}
	if !slices.Contains(l.names, f.Name) {
		l.names = append(l.names, f.Name)
	}
}

// words tells the line as the predicate of a sentence about its host.
func (l *line) words() string {
	if !l.smb {
		return l.first.Detail
	}
	peer, hosts, count := "an unknown host", len(l.peers), l.count
	if l.total != nil {
		hosts, count = l.total.Peers, l.total.Count
	}
	switch {
	case hosts > 1:
		peer = l.total.bound() + grouped(hosts) + " hosts"
	case hosts == 1:
		peer = l.peers[0]
	}
	return smbSentence(l.kind, strings.Join(l.names, ", "), peer, count)
}

// reservation says of what happened before a host was cleaned, or what it did for
// others, that this is no reason for its state.
func (l *line) reservation() string {
	if l.weighs {
		return ""
	}
	return " (does not count)"
}

// bound says before a number that it may be too low; t may be nil.
func (t *FactTotal) bound() string {
	if t == nil || !t.AtLeast {
		return ""
	}
	return "at least "
}

// untold counts the facts that no line tells: those that were left out of
// kinds that have a line for each fact.
func (h *HostEntry) untold() (n int) {
	for i := range h.Totals {
		if _, smb := smbKindNamed(h.Totals[i].Fact); !smb {
			n += h.Totals[i].LeftOut
		}
	}
	return n
}

// system says in a few words what a host is and how it is patched; empty
// where nothing is known.
func (h *HostEntry) system() string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(h.Asset.Words())
	switch alert.Patch(h.Patch) {
	case alert.PatchVulnerable:
		add("NOT PATCHED against MS17-010")
	case alert.PatchPatched:
		add("not vulnerable to MS17-010")
	case alert.PatchUnknown:
	}
	return strings.Join(parts, "; ")
}

// Words tells what the SMB server says of itself, empty for nothing.
func (a *AssetEntry) Words() string {
	if a == nil {
		return ""
	}
	parts := []string{a.title(), a.machine()}
	if a.Affected {
		parts = append(parts, "treated as affected whenever SMB is on")
	}
	if a.OutOfSupport {
		parts = append(parts, "no longer supported")
	}
	if a.SMB1 {
		parts = append(parts, "SMB1 is on")
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, "; ")
}

// title names a system, with its build.
func (a *AssetEntry) title() string {
	name := ""
	switch {
	case a.Product != nil:
		name = shortened(printable(a.Product.Value), 40)
	case a.OS != nil:
		name = shortened(printable(a.OS.Value), 40)
	}
	if a.Build == nil {
		return name
	}
	if name == "" {
		return "build " + printable(a.Build.Value)
	}
	return name + " (" + printable(a.Build.Value) + ")"
}

// machine names the machine and its domain.
func (a *AssetEntry) machine() string {
	var s string
	if a.Name != nil {
		s = shortened(printable(a.Name.Value), 30)
	}
	if a.Domain != nil && (a.Name == nil || a.Domain.Value != a.Name.Value) {
		s = strings.TrimSpace(s + " in domain " + shortened(printable(a.Domain.Value), 30))
	}
	return s
}
