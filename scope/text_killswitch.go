package scope

import (
	"slices"
	"strings"
	"time"

	"wormscope/internal/plural"
	"wormscope/ioc"
)

// KillSwitches says what became of the lookups of kill-switch names: whether
// the worm is dormant or goes on. It is empty where nobody asked for one.
func (d *Document) KillSwitches() string {
	var n [notReached + 1]uint64
	var active uint64 // of those that reached one
	for i := range d.Hosts {
		h := &d.Hosts[i]
		for k := unknown; k <= notReached; k++ {
			if h.KillSwitch != k.String() {
				continue
			}
			if k == reached && h.actsAfterLookup() {
				active++
			} else {
				n[k]++
			}
		}
	}
	var parts []string
	for _, p := range []struct {
		n           uint64
		told, means string
	}{
		{n[notReached], "not reached by ", " (the worm goes on)"},
		{active, "reached by ", plural.Word(active, " that scans or attacks", " that scan or attack") + " all the same (the worm goes on)"},
		{n[reached], "reached by ", " (it may be dormant)"},
		{n[unknown], "asked for by ", ", without an answer in the capture"},
	} {
		if p.n > 0 {
			parts = append(parts, p.told+counted(p.n, "host")+p.means)
		}
	}
	return strings.Join(parts, ", ")
}

// actsAfterLookup reports whether a host scans or attacks after it last asked for a
// kill-switch name. A worm that knows no proxy goes on where the name resolves and the
// web server behind it is out of its reach.
func (h *HostEntry) actsAfterLookup() bool {
	var asked time.Time
	for i := range h.Facts {
		if f := &h.Facts[i]; f.Class == ioc.KillSwitch.String() && f.Last.After(asked) {
			asked = f.Last
		}
	}
	return !asked.IsZero() && slices.ContainsFunc(h.Facts, func(f FactItem) bool {
		switch f.Fact {
		case kindScanning.String(), kindExploitSent.String(), kindPayloadSent.String(), kindMark.String():
			return f.Counts && f.Last.After(asked)
		}
		return false
	})
}

// rouse takes back that the worm may be dormant, as the lookup of a kill switch alone
// tells, where the host scans or attacks since.
func (h *HostEntry) rouse() {
	if h.KillSwitch != reached.String() || !h.actsAfterLookup() {
		return
	}
	for i := range h.Facts {
		f := &h.Facts[i]
		if told, ok := strings.CutSuffix(f.Detail, maybeDormant); ok && f.Class == ioc.KillSwitch.String() {
			f.Detail = told + "; the worm goes on all the same"
		}
	}
}
