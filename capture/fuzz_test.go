package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wormscope/capture"
)

// FuzzOpen reads anything: nothing panics, hangs or gives frames that break
// their word, and of a plain pcap all that gopacket reads is read as well.
func FuzzOpen(f *testing.F) {
	p, g := pcapSample(10), pcapngSample(10)
	f.Add(p.data)
	f.Add(g.data)
	f.Add(damage(p.data, p.ends[3]+8, 0xff, 0xff, 0xff, 0xff))
	f.Add(damage(g.data, g.ends[3]+4, 0xff, 0xff, 0xff, 0xff))
	for _, data := range pack(f, p.data) {
		f.Add(data)
	}
	w := newPcapWriter(binary.BigEndian, 0xa1b2cd34, 1, 2)
	w.record(1, 2, []byte("abc"), 3)
	f.Add(w.Bytes())
	f.Add(slices.Concat(p.data, w.Bytes(), p.data))
	f.Add(plainPcapng(3, 60))
	f.Add(mixedPcapng())
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := capture.Open([]string{"-"}, bytes.NewReader(data))
		if err != nil {
			return
		}
		defer r.Close()
		got := drainChecked(t, r)
		if len(got) < 10_000 {
			wantSameInRuns(t, []string{"-"}, bytes.NewReader(data), got, r.Stats())
		}
		// Where an int has 32 bits, gopacket takes great lengths for negative ones.
		joined := func(text string) bool { return strings.Contains(text, "as cat joins them") } // not by gopacket
		if recognisedAsPcap(data) && strconv.IntSize == 64 && !slices.ContainsFunc(texts(r.Stats()), joined) {
			wantForeign(t, data, got)
		}
	})
}

// drainChecked is drain with a look at each frame.
func drainChecked(t *testing.T, r *capture.Reader) []record {
	t.Helper()
	var all []record
	var f capture.Frame
	var bytesRead, wire uint64
	number := uint64(0)
	for {
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("reading from memory failed: %v", err)
		}
		if len(f.Data) > f.Len || len(f.Data) > 262_144 || cap(f.Data) != len(f.Data) || f.Number <= number || f.File != 0 {
			t.Fatalf("frame %+v after number %d", f, number)
		}
		number = f.Number
		bytesRead += uint64(len(f.Data))
		wire += uint64(f.Len)
		if len(all) < 10_000 {
			all = append(all, record{f.Time, string(f.Data), f.Len, f.Link, f.File, f.Number})
		}
	}
	s := r.Stats()
	if s.Frames < uint64(len(all)) || s.Bytes != bytesRead || s.WireBytes != wire || len(s.Warnings) > 100 {
		t.Fatalf("%d frames of %d bytes, statistics are %+v", len(all), bytesRead, s)
	}
	return all
}

// recognisedAsPcap reports whether data are a pcap of the kinds that gopacket
// reads.
func recognisedAsPcap(data []byte) bool {
	if len(data) < 24 {
		return false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := order.Uint32(data); m == 0xa1b2c3d4 || m == 0xa1b23c4d {
			return true
		}
	}
	return false
}

// wantForeign checks that got begins with what gopacket reads, up to the first
// record that is damaged by what the format says. gopacket reads less where lengths
// contradict each other, and its fractions of a second are 32 bits of nanoseconds.
func wantForeign(t *testing.T, data []byte, got []record) {
	t.Helper()
	want, err := foreignBytes(data)
	want = want[:min(len(want), untilDamage(data))]
	if len(got) < min(len(want), 10_000) {
		t.Fatalf("%d frames, gopacket reads %d (%v)", len(got), len(want), err)
	}
	for i := range min(len(want), len(got)) {
		w, g := want[i], got[i]
		if (g.time-w.time)%(1<<32) != 0 || w.data != g.data || w.wire != g.wire || w.link&0xff != g.link&0xff {
			t.Fatalf("frame %d is %+v, gopacket reads %+v", i+1, g, w)
		}
	}
}

// untilDamage counts the records of a plain pcap before the first that looks damaged:
// it is more than a day from the one before, and the clock was not set yet, or its
// head or the next one makes no sense. Instead of it records are looked for that do.
func untilDamage(data []byte) (n int) {
	const day, year1980, most, header = 86_400, 315_532_800, 262_144, 16
	order, fraction := binary.ByteOrder(binary.LittleEndian), uint32(1_000_000)
	if m := binary.BigEndian.Uint32(data); m == 0xa1b2c3d4 || m == 0xa1b23c4d {
		order = binary.BigEndian
	}
	if order.Uint32(data) == 0xa1b23c4d {
		fraction = 1_000_000_000
	}
	sized := func(h []byte) bool {
		captured, wire := order.Uint32(h[8:]), order.Uint32(h[12:])
		return captured > 0 && max(captured, wire) <= most && order.Uint32(h[4:]) < fraction
	}
	var before int64
	for data = data[24:]; len(data) >= header; n++ {
		at, size := int64(order.Uint32(data)), header+int(order.Uint32(data[8:]))
		if size > len(data) {
			break
		}
		rest := data[size:]
		leaps := n > 0 && (at < before-day || at > before+day)
		if leaps && (at < year1980 || !sized(data) || len(rest) >= header && !sized(rest)) {
			break
		}
		before, data = at, rest
	}
	return n
}
