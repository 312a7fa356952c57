package report

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/scope"
)

// Bounds of the report, whatever the document holds.
const (
	maxHosts  = 20_000  // hosts in the table, worst first
	maxData   = 6 << 20 // bytes that the table's evidence may take, about
	maxListed = 20_000  // addresses in a list to isolate, patch or block
)

// hostData is what the page's script shows the table of hosts from: rows of
// bare values, whose order report.js knows, since 5,000 hosts would be twice
// as large with names. A string that comes up often is an index into Strings.
type hostData struct {
	File    string   `json:"file"` // of all frames, when there is only one
	Strings []string `json:"strings"`
	Hosts   []any    `json:"hosts"`
}

// newHostData writes the hosts down, with so much evidence each that the page
// stays within its bounds.
func newHostData(hosts []scope.HostEntry) *hostData {
	w := dataWriter{index: map[string]int{}, perHost: factLimit(hosts)}
	ranks := addressRanks(hosts)
	d := &hostData{Hosts: make([]any, 0, len(hosts))}
	for i := range hosts {
		d.Hosts = append(d.Hosts, w.host(&hosts[i], ranks[i]))
	}
	d.Strings = w.strings
	return d
}

// factLimit returns how many facts of each host fit into maxData.
func factLimit(hosts []scope.HostEntry) int {
	systems := 0
	for i := range hosts {
		systems += len(hosts[i].Asset.Words())
	}
	for limit := 1 << 10; limit > 1; limit /= 2 {
		total := systems
		for i := range hosts {
			for _, f := range strongest(hosts[i].Facts, limit) {
				total += 90 + len(f.Detail) + len(f.Alert) + len(f.Peer) + 8*len(f.Frames)
			}
		}
		if total <= maxData {
			return limit
		}
	}
	return 1
}

// strongest returns at most so many facts in the order of time: those that
// speak against the host, then the more certain, then the earlier.
func strongest(facts []scope.FactItem, limit int) []*scope.FactItem {
	list := make([]*scope.FactItem, len(facts))
	for i := range facts {
		list[i] = &facts[i]
	}
	if len(list) <= limit {
		return list
	}
	slices.SortStableFunc(list, scope.CompareWeight)
	list = list[:limit]
	slices.SortStableFunc(list, func(a, b *scope.FactItem) int { return a.First.Compare(b.First) })
	return list
}

// addressRanks returns the place of each host in the order of addresses, so
// that the script need not know how addresses compare.
func addressRanks(hosts []scope.HostEntry) []int {
	addrs := make([]netip.Addr, len(hosts))
	order := make([]int, len(hosts))
	for i := range hosts {
		addrs[i], _ = netip.ParseAddr(hosts[i].IP) // the zero address, should it be none
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return addrs[a].Compare(addrs[b]) })
	ranks := make([]int, len(hosts))
	for rank, i := range order {
		ranks[i] = rank
	}
	return ranks
}

// A dataWriter turns hosts into rows.
type dataWriter struct {
	strings []string
	index   map[string]int
	perHost int // facts
}

// text returns the index of a string.
func (w *dataWriter) text(s string) int {
	i, ok := w.index[s]
	if !ok {
		i = len(w.strings)
		w.index[s] = i
		w.strings = append(w.strings, clean(s))
	}
	return i
}

// host returns the row of one host. report.js reads it by position.
func (w *dataWriter) host(h *scope.HostEntry, rank int) []any {
	facts := strongest(h.Facts, w.perHost)
	rows := make([]any, 0, len(facts))
	for _, f := range facts {
		rows = append(rows, w.fact(f))
	}
	roles := make([]int, 0, len(h.Role))
	for _, r := range h.Role {
		roles = append(roles, w.text(r))
	}
	sources := make([]any, 0, len(h.InfectedBy))
	for _, s := range h.InfectedBy {
		sources = append(sources, []any{clean(s.IP), percent(s.Confidence)})
	}
	marks := make([]int, 0, len(h.Marks))
	for _, m := range h.Marks {
		marks = append(marks, w.text(string(m)))
	}
	main := ""
	if f := h.MainFact(); f != nil {
		main = clean(f.Detail)
	}
	return []any{
		clean(h.IP), rank, w.text(h.Zone), w.text(h.State.String()), percent(h.Confidence), millis(h.Since),
		h.FirstSeen.UnixMilli(), h.LastSeen.UnixMilli(), w.text(h.Patch), w.text(h.KillSwitch),
		roles, sources, flag(h.PatientZero), h.LeftOut + len(h.Facts) - len(facts), main, w.text(h.Asset.Words()), rows, marks,
	}
}

// fact returns the row of one fact.
func (w *dataWriter) fact(f *scope.FactItem) []any {
	files := make([]int, 0, len(f.FrameFiles))
	for _, name := range f.FrameFiles {
		files = append(files, w.text(name))
	}
	frames := f.Frames
	if frames == nil {
		frames = []uint64{}
	}
	return []any{
		w.text(f.Fact), percent(f.Confidence), f.First.UnixMilli(), f.Last.UnixMilli() - f.First.UnixMilli(), f.Count,
		clean(f.Peer), f.Port, frames, files, w.text(f.Rule), clean(f.Alert), w.text(f.Indicator), w.text(f.Feed),
		clean(f.Detail), flag(f.Counts),
	}
}

// millis returns a time in milliseconds, 0 when there is none.
func millis(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
