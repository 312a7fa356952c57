package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"wormscope/capture"
)

// drainRuns is drain by More wherever it has something. Data are looked at as
// late as they are valid.
func drainRuns(t testing.TB, r *capture.Reader) []record {
	t.Helper()
	var all []record
	var lent []capture.Frame
	var run capture.Run
	for size := 1; ; size = size%33 + 1 {
		if n := r.More(&run, size); n > 0 {
			if n > size {
				t.Fatalf("%d frames of %d", n, size)
			}
			wantSum(t, &run)
			lent = append(lent, framesOf(&run)...)
			continue
		}
		for _, f := range lent {
			all = append(all, record{f.Time, string(f.Data), f.Len, f.Link, f.File, f.Number})
		}
		var f capture.Frame
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		run.One(&f)
		wantSum(t, &run)
		lent = append(lent[:0], framesOf(&run)...)
	}
}

// framesOf returns the frames of a run.
func framesOf(r *capture.Run) []capture.Frame {
	all := make([]capture.Frame, r.N)
	for i := range all {
		r.Frame(i, &all[i])
	}
	return all
}

// wantSum compares what a run says that its frames come to with them.
func wantSum(t testing.TB, r *capture.Run) {
	t.Helper()
	want := capture.RunSum{Oldest: math.MaxInt64, Newest: math.MinInt64}
	for _, f := range framesOf(r) {
		want.Captured, want.Len = want.Captured+len(f.Data), want.Len+int64(f.Len)
		want.Oldest, want.Newest = min(want.Oldest, f.Time), max(want.Newest, f.Time)
		if len(f.Data) < f.Len {
			want.Cut++
		}
	}
	if r.Sum != want {
		t.Fatalf("a run of %d frames comes to %+v, want %+v", r.N, r.Sum, want)
	}
}

// wantSameInRuns checks that More changes nothing: neither frames nor what is
// counted and warned about.
func wantSameInRuns(t testing.TB, paths []string, stdin io.Reader, want []record, stats capture.Stats) {
	t.Helper()
	r, err := capture.Open(paths, stdin)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := drainRuns(t, r); !slices.Equal(got, want) {
		t.Errorf("%s: %d frames in runs differ from the %d one by one", paths, len(got), len(want))
	}
	if got := r.Stats(); !reflect.DeepEqual(got, stats) {
		t.Errorf("%s: in runs %+v, one by one %+v", paths, got, stats)
	}
}

// mixedPcapng is a little-endian pcapng with all that may come between
// packets, and in which those are not all alike.
func mixedPcapng() []byte {
	w := &ngWriter{}
	w.section()
	w.iface(1, 0, nil)
	w.iface(101, 64, w.option(9, []byte{9}))
	for i := range 60 {
		data := bytes.Repeat([]byte{byte(i)}, i*7%120)
		wire := uint32(len(data) + i%3)
		var options []byte
		switch i % 11 {
		case 3:
			options = w.option(4, make([]byte, 8))
		case 5:
			w.simple(data, wire)
		case 7:
			w.block(9, make([]byte, 40))
		case 9:
			w.statistics(0, nil)
		}
		w.enhanced(uint32(i%2), 1e15+uint64(i), data, wire, options)
	}
	return w.Bytes()
}

// TestMoreInDamage spoils bytes of captures at random.
func TestMoreInDamage(t *testing.T) {
	little, old := pcapSample(40).data, newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 2)
	for i := range 20 {
		old.record(uint32(i), 0, []byte("old"), 3+uint32(i))
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for _, whole := range [][]byte{little, old.Bytes(), mixedPcapng()} {
		for range 1500 {
			data := bytes.Clone(whole)
			for range rng.IntN(4) {
				data[rng.IntN(len(data)-60)+60] = []byte{0, 1, 6, 0xff, byte(rng.IntN(256))}[rng.IntN(5)]
			}
			data = data[:len(data)-rng.IntN(2)*rng.IntN(40)]
			all, stats := readBytes(t, data)
			wantSameInRuns(t, []string{"-"}, bytes.NewReader(data), all, stats)
		}
	}
}

// TestMoreIsUsed makes sure that runs are what is tested here.
func TestMoreIsUsed(t *testing.T) {
	for name, data := range map[string][]byte{"pcap": plainPcap(1000, 60, 1e15, 1), "pcapng": plainPcapng(1000, 60)} {
		r, err := capture.Open([]string{"-"}, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var run capture.Run
		for range 10 { // the first of them are read with the header
			if err := r.Next(&capture.Frame{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.More(&run, 32); n != 32 || framesOf(&run)[31].Number != 42 {
			t.Errorf("%s: %d frames, the first is number %d", name, n, run.First)
		}
		if allocs := testing.AllocsPerRun(20, func() { r.More(&run, 32) }); allocs > 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
