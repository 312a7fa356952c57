package contact_test

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/contact"
	"wormscope/internal/corpus"
	"wormscope/ioc"
)

type recorder struct{ alerts []alert.Alert }

func (r *recorder) Alert(a alert.Alert) { r.alerts = append(r.alerts, a) }
func (r *recorder) Fact(alert.Fact)     {}

// TestCorpusAgainstModel makes the lower address of every pair in the public
// captures an indicator, and compares who had contact with whom with a set.
// Two runs must say the same.
func TestCorpusAgainstModel(t *testing.T) {
	total := 0
	for _, file := range corpus.Files(t) {
		pairs := talk(t, file)
		b := ioc.NewBuilder()
		bad := map[netip.Addr]bool{}
		for pair := range pairs {
			a := pair[0]
			if err := b.Add(ioc.Indicator{Type: ioc.Address, Value: a.String(), Feed: "t"}); err == nil {
				bad[a] = true
			}
		}
		set := b.Build()
		var runs [2]recorder
		for i := range runs {
			e := detect.NewEngine(contact.New(&runs[i], set, nil, contact.Config{SweepAfter: 1 << 30, MaxFindings: 1 << 20}))
			each(t, file, e.Packet)
			e.Close()
		}
		if !reflect.DeepEqual(runs[0], runs[1]) {
			t.Errorf("%s: two runs differ", filepath.Base(file))
		}
		got, want := map[string]bool{}, map[string]bool{}
		for _, a := range runs[0].alerts {
			got[fmt.Sprintf("%v with %v", a.Host, a.Indicator.Value)] = true
		}
		for pair := range pairs {
			for i := range pair {
				if bad[pair[1-i]] {
					want[fmt.Sprintf("%v with %v", pair[i], pair[1-i])] = true
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %d, want %d: %v", filepath.Base(file), len(got), len(want), missing(got, want))
		}
		total += len(want)
	}
	if total < 1000 {
		t.Errorf("only %d contacts in all captures", total)
	}
}

// missing returns a few that are in one of two sets.
func missing(a, b map[string]bool) (few []string) {
	for _, x := range [2][2]map[string]bool{{a, b}, {b, a}} {
		for _, k := range slices.Sorted(maps.Keys(x[0])) {
			if !x[1][k] && len(few) < 5 {
				few = append(few, k)
			}
		}
	}
	return few
}

// talk returns the pairs of addresses that sent each other anything but ICMP
// errors, the lower one first.
func talk(t *testing.T, file string) map[[2]netip.Addr]bool {
	t.Helper()
	pairs := map[[2]netip.Addr]bool{}
	each(t, file, func(p *packet.Packet) {
		a, b := p.Src.Addr.Netip(), p.Dst.Addr.Netip()
		errorMessage := (p.Proto == packet.ProtoICMP || p.Proto == packet.ProtoICMPv6) && p.ICMP.HasInner
		for _, x := range []netip.Addr{a, b} {
			if x.IsMulticast() || x.IsUnspecified() || x.String() == "255.255.255.255" || errorMessage {
				return
			}
		}
		if b.Less(a) {
			a, b = b, a
		}
		pairs[[2]netip.Addr{a, b}] = true
	})
	return pairs
}

// each calls take with each packet of a capture; a file that is none has none.
func each(t *testing.T, file string, take func(*packet.Packet)) {
	t.Helper()
	if err := corpus.Packets(t, file, take); err != nil {
		t.Logf("%s: %v", file, err)
	}
}
