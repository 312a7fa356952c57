package joint

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormscope/detect/alert"
)

// tolerance is how far the clocks of two sensors may differ. What they found about
// the same thing within that time counts as found once.
const tolerance = 5 * time.Second

// merged returns what a ledger is to be told of a host: findings of different
// sensors about the same thing become one, with the id of the earliest. alias gets
// the id of the merged finding for the id of each.
func (h *host) merged(alias map[string]string) []told {
	var out []told
	for _, group := range h.groups() {
		out = append(out, merge(group, alias)...)
	}
	return append(out, h.mergedFacts()...)
}

// A finding is the words of one sensor about one thing.
type finding struct {
	sensor string
	*words
}

func (f *finding) begin() time.Time { return earliest(f.first.Alert.First, f.latest.Alert.First) }
func (f *finding) end() time.Time   { return f.latest.Alert.Last }

// groups returns the findings, those that are one in one group.
func (h *host) groups() [][]finding {
	same := map[string][]finding{}
	for from, w := range h.alerts {
		k := matter(w.first.Alert)
		same[k] = append(same[k], finding{sensor: from.sensor, words: w})
	}
	out := make([][]finding, 0, len(same))
	for _, list := range same {
		slices.SortFunc(list, compareFindings)
		out = append(out, overlapping(list)...)
	}
	return out
}

// compareFindings orders findings by when they began. The order is total.
func compareFindings(a, b finding) int {
	return cmp.Or(a.begin().Compare(b.begin()), cmp.Compare(a.first.Alert.ID, b.first.Alert.ID), cmp.Compare(a.sensor, b.sensor))
}

// matter returns a key for what an alert about a host is about, whichever sensor saw
// it, and whenever.
func matter(a *alert.Alert) string {
	about := []string{string(a.Rule)}
	add := func(s ...string) { about = append(about, s...) }
	if a.Indicator != nil {
		add(a.Indicator.Value)
	}
	switch e := a.Evidence; {
	case e.DNS != nil:
		add(a.Name, strconv.FormatBool(e.DNS.OnBehalf))
	case e.Contact != nil:
		add(a.Name, peer(a).String())
	case e.Scan != nil: // by whatever rule it was noticed
		add(strconv.Itoa(int(e.Scan.Port)), strconv.FormatBool(a.Name == alert.NameVertical), strconv.FormatBool(e.Scan.Sources > 0))
	case e.Exposure != nil:
		add(strconv.Itoa(int(e.Exposure.Port)))
	case e.Crossing != nil:
		add(a.Name, e.Crossing.FromZone, e.Crossing.ToZone, strconv.Itoa(int(e.Crossing.Port)))
		if e.Crossing.Open {
			add(peer(a).String())
		}
	case e.SMB != nil:
		add(a.Name, peer(a).String())
		if e.SMB.Exploit != nil {
			add(string(e.SMB.Exploit.Outcome))
		}
	}
	return strings.Join(about, "\x00")
}

// peer returns the end of an alert's flow that is not the host.
func peer(a *alert.Alert) netip.Addr {
	if a.Resp.Addr() == a.Host {
		return a.Orig.Addr()
	}
	return a.Resp.Addr()
}

// merge makes the first and the latest word of findings that are one. It does not
// add up what sensors counted, since nobody knows which packets two of them both
// saw: the counts are those of the sensor that saw the most.
func merge(group []finding, alias map[string]string) []told {
	id := group[0].first.Alert.ID
	early, full := &group[0], &group[0]
	for i := range group {
		f := &group[i]
		alias[f.first.Alert.ID] = id
		if compareTold(told{f.sensor, f.first}, told{early.sensor, early.first}) < 0 {
			early = f
		}
		if fuller(f.latest.Alert, full.latest.Alert) {
			full = f
		}
	}
	first, latest := *early.first.Alert, *full.latest.Alert
	first.ID, first.Seq, first.Phase = id, 0, alert.PhaseStart
	latest.ID = id
	for i := range group {
		first.First = earliest(first.First, group[i].first.Alert.First)
		latest.First = earliest(latest.First, group[i].begin())
		if end := group[i].end(); end.After(latest.Last) {
			latest.Last = end
		}
	}
	begun, grown := told{early.sensor, early.first}, told{full.sensor, full.latest}
	begun.event.Alert, grown.event.Alert = &first, &latest
	if len(group) == 1 && latest.Seq == 0 {
		return []told{begun}
	}
	latest.Seq = max(latest.Seq, 1)
	if latest.Time.Before(first.Time) { // it must not be told before the first
		latest.Time = first.Time
	}
	return []told{begun, grown}
}

// fuller reports whether a shows more of the matter than b.
func fuller(a, b *alert.Alert) bool {
	if c := cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Count, b.Count)); c != 0 {
		return c > 0
	}
	if d, e := a.Evidence.DNS, b.Evidence.DNS; d != nil && e != nil {
		return d.ResponseCode != "" && e.ResponseCode == ""
	}
	return false
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// saying returns a key for what a fact says, whichever sensor learned it, and
// whenever.
func saying(f *alert.Fact) string {
	return strings.Join([]string{string(f.Kind), f.Peer.String(), strconv.Itoa(int(f.Port)), f.Detail, f.Asset.Identity()}, "\x00")
}
