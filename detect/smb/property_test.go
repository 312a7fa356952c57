package smb

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/corpus"
)

// summary lists what was found, without the frames and times, which depend on
// how a stream was cut.
func (r *recorder) summary() []string {
	var all []string
	assets := map[string]string{}
	for _, f := range r.facts {
		if f.Kind == alert.FactAsset {
			assets[f.Host.String()] = fmt.Sprintf("%v %+v", f.Host, *f.Asset)
			continue
		}
		all = append(all, fmt.Sprintf("%s %v %v %d %q %v", f.Kind, f.Host, f.Peer, f.Port, f.Detail, f.Confidence))
	}
	for _, a := range assets {
		all = append(all, a)
	}
	for _, a := range r.alerts {
		if a.Phase != alert.PhaseEnd {
			continue
		}
		s := a.Evidence.SMB
		text := fmt.Sprintf("%s %s %d %v %v %d %v", a.Rule, a.Name, a.Severity, a.Host, a.Orig.Addr(), a.Count, s.OneWay)
		switch {
		case s.Check != nil:
			text += fmt.Sprintf(" %+v", *s.Check)
		case s.Exploit != nil:
			text += fmt.Sprintf(" %+v", *s.Exploit)
		case s.Implant != nil:
			text += fmt.Sprintf(" %+v", *s.Implant)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// part returns n bytes of a packet's payload from at on, as a segment of its own.
func part(p packet.Packet, at, n int) packet.Packet {
	p.Seq += uint32(at)
	p.Payload = p.Payload[at : at+n]
	p.PayloadLen = n
	return p
}

// split cuts segments at random.
func split(all []packet.Packet, rnd *rand.Rand) []packet.Packet {
	var out []packet.Packet
	for _, p := range all {
		if p.Truncated || p.Flags.Has(packet.SYN) {
			out = append(out, p)
			continue
		}
		for at := 0; at < len(p.Payload); {
			n := min(1+rnd.IntN(1+rnd.IntN(300)), len(p.Payload)-at)
			out = append(out, part(p, at, n))
			at += n
		}
		if len(p.Payload) == 0 || p.Flags&(packet.FIN|packet.RST) != 0 {
			last := part(p, len(p.Payload), 0)
			out = append(out, last)
		}
	}
	for i := range out {
		if len(out[i].Payload) > 0 {
			out[i].Flags &^= packet.FIN | packet.RST // only on the last part
		}
	}
	return out
}

// merge joins segments that follow each other in a connection.
func merge(all []packet.Packet, _ *rand.Rand) []packet.Packet {
	type pair struct{ a, b string }
	latest := map[pair]int{} // of either direction, index in out
	var out []packet.Packet
	for _, p := range all {
		k := pair{p.Src.String(), p.Dst.String()}
		i, ok := latest[k]
		plain := p.Flags&(packet.SYN|packet.FIN|packet.RST) == 0
		if ok && plain && len(p.Payload) > 0 && len(p.Payload)+len(out[i].Payload) < 60_000 && !p.Truncated &&
			len(out[i].Payload) > 0 && out[i].Seq+uint32(len(out[i].Payload)) == p.Seq &&
			out[i].Flags&(packet.SYN|packet.FIN|packet.RST) == 0 && !out[i].Truncated {
			out[i].Payload = slices.Concat(out[i].Payload, p.Payload)
			out[i].PayloadLen = len(out[i].Payload)
			continue
		}
		delete(latest, pair{k.b, k.a}) // the other end has spoken
		latest[k] = len(out)
		out = append(out, p)
	}
	return out
}

// duplicate repeats segments, at once and later.
func duplicate(all []packet.Packet, rnd *rand.Rand) []packet.Packet {
	var out []packet.Packet
	for i, p := range all {
		out = append(out, p)
		if rnd.IntN(3) == 0 {
			out = append(out, p)
		}
		if j := i - rnd.IntN(4); j >= 0 && rnd.IntN(4) == 0 && all[j].Flags&packet.RST == 0 {
			late := all[j]
			late.Time = p.Time
			out = append(out, late)
		}
	}
	return out
}

// reorder moves segments by a few places, as a span port with several queues
// does. Those that open and close a connection stay, and so does the first of
// a direction: without an opening, nobody can know what was before it.
func reorder(all []packet.Packet, rnd *rand.Rand) []packet.Packet {
	out := slices.Clone(all)
	seen := map[[2]string]bool{}
	fixed := make([]bool, len(out))
	for i, p := range out {
		k := [2]string{p.Src.String(), p.Dst.String()}
		fixed[i] = p.Flags&(packet.SYN|packet.FIN|packet.RST) != 0 || !seen[k]
		seen[k] = seen[k] || len(p.Payload) > 0
	}
	for range 3 {
		for i := range len(out) - 1 {
			j := i + 1
			if !fixed[i] && !fixed[j] && out[j].Time-out[i].Time < 20e6 && rnd.IntN(3) == 0 {
				out[i], out[j] = out[j], out[i]
				out[i].Time, out[j].Time = out[j].Time, out[i].Time
			}
		}
	}
	return out
}

// TestAnySegments: the same is found however the streams are cut into
// segments and in whatever order these come.
func TestAnySegments(t *testing.T) {
	ways := []struct {
		name string
		do   func([]packet.Packet, *rand.Rand) []packet.Packet
	}{
		{"split", split},
		{"merge", merge},
		{"duplicate", duplicate},
		{"reorder", reorder},
		{"all", func(p []packet.Packet, rnd *rand.Rand) []packet.Packet {
			return duplicate(reorder(split(merge(p, rnd), rnd), rnd), rnd)
		}},
	}
	for _, file := range corpus.Files(t, "eternalsafety", "smb_attack") {
		all := packets(t, file)
		want := run(all).summary()
		for _, way := range ways {
			t.Run(filepath.Base(file)+"/"+way.name, func(t *testing.T) {
				for seed := range uint64(8) {
					changed := way.do(all, rand.New(rand.NewPCG(seed, 1)))
					compareSummaries(t, run(changed).summary(), want)
				}
			})
		}
	}
}

// compareSummaries reports the lines that only one of two summaries has.
func compareSummaries(t *testing.T, have, want []string) {
	t.Helper()
	count := map[string]int{}
	for _, l := range want {
		count[l]++
	}
	for _, l := range have {
		count[l]--
	}
	var diff []string
	for l, n := range count {
		if n != 0 {
			diff = append(diff, fmt.Sprintf("%+d %s", -n, l))
		}
	}
	slices.Sort(diff)
	for _, l := range diff {
		t.Errorf("the summary has this more or less often than before the change: %s", l)
	}
}

// TestSameTwice: a capture gives the same alerts and facts each time.
func TestSameTwice(t *testing.T) {
	all := packets(t, filepath.Join(corpus.Dir(t), "eternalsafety/wannacry.pcap"))
	text := func(r *recorder) []string {
		var out []string
		for _, a := range r.alerts {
			out = append(out, fmt.Sprintf("%+v", a.ID)+fmt.Sprint(a.Seq, a.Phase, a.Frames, a.Time))
		}
		for _, f := range r.facts {
			out = append(out, fmt.Sprintf("%s %v %v", f.Kind, f.Host, f.Frame))
		}
		return out
	}
	if a, b := text(run(all)), text(run(all)); !slices.Equal(a, b) {
		t.Error("two runs differ")
	}
}
