package dns

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/lru"
	"wormscope/detect/zone"
	"wormscope/internal/corpus"
	"wormscope/internal/needs"
	"wormscope/ioc"
)

// TestCorpusAgainstTshark makes every name that tshark finds in the public
// captures an indicator: each host that asks for it, by tshark, must be found.
func TestCorpusAgainstTshark(t *testing.T) {
	files := corpus.Files(t, "dns")
	needs.Tools(t, "tshark")
	total := 0
	for _, file := range files {
		want := tshark(t, file)
		set := indicators(t, want)
		alerts := run(t, file, set, 1)
		got := asked(alerts)
		if once, twice := totals(alerts), totals(run(t, file, set, 2)); !maps.Equal(once, twice) {
			t.Errorf("%s: lookups %v, with every packet twice %v", filepath.Base(file), once, twice)
		}
		for _, pair := range slices.Sorted(maps.Keys(want)) {
			if _, ok := got[pair]; !ok {
				t.Errorf("%s: tshark finds %s", filepath.Base(file), pair)
			}
		}
		for _, pair := range slices.Sorted(maps.Keys(got)) {
			if got[pair] && !want[pair] {
				t.Errorf("%s: tshark does not find %s", filepath.Base(file), pair)
			}
		}
		total += len(want)
	}
	if total < 100 {
		t.Errorf("tshark finds %d names only", total)
	}
	t.Logf("%d hosts and names in %d captures", total, len(files))
}

// tshark returns the questions of a capture, as "asker name", of which the
// name is plain enough to be written one way only.
func tshark(t *testing.T, file string) map[string]bool {
	t.Helper()
	out, _ := exec.Command("tshark", "-n", "-r", file, "-Y", "dns.flags.opcode==0 && (udp.port==53 || tcp.port==53) && !icmp && !icmpv6", "-T", "fields", "-E", "aggregator=|",
		"-e", "ip.src", "-e", "ipv6.src", "-e", "ip.dst", "-e", "ipv6.dst", "-e", "dns.flags.response", "-e", "dns.qry.name").Output()
	pairs := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 {
			continue
		}
		last := func(s string) string { return s[strings.LastIndexByte(s, '|')+1:] } // the innermost
		src, dst := last(f[0])+last(f[1]), last(f[2])+last(f[3])
		if last(f[0]) != "" && last(f[1]) != "" {
			continue // one in the other: which is inside is not said
		}
		asker := src
		if strings.HasPrefix(last(f[4]), "1") || last(f[4]) == "True" {
			asker = dst
		}
		for name := range strings.SplitSeq(f[5], "|") {
			if plain(name) {
				pairs[asker+" "+strings.ToLower(name)] = true
			}
		}
	}
	return pairs
}

// plain reports whether a name holds nothing that needs an escape.
func plain(name string) bool {
	if !strings.Contains(name, ".") || strings.HasPrefix(name, ".") {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", c) {
			return false
		}
	}
	return true
}

// indicators makes the names of "asker name" pairs indicators, and takes pairs
// away whose name can't be one.
func indicators(t *testing.T, pairs map[string]bool) *ioc.Set {
	t.Helper()
	b := ioc.NewBuilder()
	for pair := range pairs {
		_, name, _ := strings.Cut(pair, " ")
		if err := b.Add(ioc.Indicator{Type: ioc.Domain, Value: name, Exact: true, Feed: "t"}); err != nil {
			t.Logf("%s: %v", pair, err)
			delete(pairs, pair)
		}
	}
	return b.Build()
}

// run runs the detector over a capture in which every packet is there so many
// times, as behind a span port that mirrors both ways.
func run(t *testing.T, file string, set *ioc.Set, copies int) []alert.Alert {
	t.Helper()
	var r recorder
	d := New(&r, &zone.Map{}, set, Config{MaxPerHost: 1 << 20, MaxFindings: 1 << 20})
	e := detect.NewEngine(d)
	each(t, file, func(p *packet.Packet) {
		d.asked = lru.New[askedKey, asking](1) // every asker counts here
		for i := range copies {
			p.TTL -= uint8(i)
			e.Packet(p)
		}
	})
	e.Close()
	return r.alerts
}

// asked returns who asked for what, as "asker name", false where an alias led
// there first.
func asked(alerts []alert.Alert) map[string]bool {
	found := map[string]bool{}
	for _, a := range alerts {
		if dns := a.Evidence.DNS; a.Phase == alert.PhaseStart {
			found[fmt.Sprintf("%v %s", a.Host, a.Indicator.Value)] = dns.Matched == dns.Question
		}
	}
	return found
}

// totals returns how many lookups each alert counted.
func totals(alerts []alert.Alert) map[string]uint64 {
	count := map[string]uint64{}
	for _, a := range alerts {
		if a.Phase == alert.PhaseEnd {
			count[fmt.Sprintf("%v %s", a.Host, a.Indicator.Value)] += a.Count
		}
	}
	return count
}

// each calls take with each packet of a capture; a file that is none has none.
func each(t *testing.T, file string, take func(*packet.Packet)) {
	t.Helper()
	if err := corpus.Packets(t, file, take); err != nil {
		t.Logf("%s: %v", file, err)
	}
}
