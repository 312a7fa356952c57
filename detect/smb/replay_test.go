package smb

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"wormscope/capture"
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
func packets(tb testing.TB, file string) []packet.Packet {
	tb.Helper()
	r, err := capture.Open([]string{file}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	var (
		f   capture.Frame
		p   packet.Packet
		all []packet.Packet
	)
	d := packet.NewDecoder()
	for {
		switch err := r.Next(&f); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			tb.Fatalf("%s: %v", file, err)
		}
		if d.Decode(&f, &p); p.Proto == packet.ProtoTCP {
			p.Payload = slices.Clone(p.Payload)
			all = append(all, p)
		}
	}
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
