package smb

import (
	"path/filepath"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/internal/corpus"
)

// recorder keeps what a detector says.
type recorder struct {
	alerts []alert.Alert
	facts  []alert.Fact
}

func (r *recorder) Alert(a alert.Alert) { r.alerts = append(r.alerts, a) }
func (r *recorder) Fact(f alert.Fact)   { r.facts = append(r.facts, f) }

// packets returns the packets of a capture that are TCP, with copies of their
// payloads.
func packets(tb testing.TB, file string) (all []packet.Packet) {
	tb.Helper()
	if err := corpus.Packets(tb, file, func(p *packet.Packet) {
		if p.Proto == packet.ProtoTCP {
			kept := *p
			kept.Payload = slices.Clone(p.Payload)
			all = append(all, kept)
		}
	}); err != nil {
		tb.Fatal(err)
	}
	return all
}

// run gives packets to a new detector.
func run(all []packet.Packet) *recorder {
	rec := &recorder{}
	e := detect.NewEngine(New(rec, Config{}))
	for i := range all {
		e.Packet(&all[i])
	}
	e.Close()
	return rec
}

// replay gives a capture of the corpus to a new detector.
func replay(tb testing.TB, name string) *recorder {
	tb.Helper()
	return run(packets(tb, filepath.Join(corpus.Dir(tb), name)))
}
