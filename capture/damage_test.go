package capture_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"wormscope/capture"
)

// A sample is a capture that was made by hand, and where its records end.
type sample struct {
	data   []byte
	header int   // bytes that must be there for it to be a capture at all
	ends   []int // of each record or block after the header
	frames []int // how many frames are before each of ends, itself included
}

func pcapSample(n int) sample {
	w := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
	s := sample{header: w.Len()}
	for i := range n {
		size := i * 7 % 120
		w.record(1_500_000_000+uint32(i), uint32(i), bytes.Repeat([]byte{byte(i)}, size+1), uint32(size+1))
		s.ends, s.frames = append(s.ends, w.Len()), append(s.frames, i+1)
	}
	s.data = w.Bytes()
	return s
}

func pcapngSample(n int) sample {
	w := &ngWriter{big: true}
	w.section()
	s := sample{header: w.Len()}
	frames := 0
	add := func(block func(), isFrame int) {
		block()
		frames += isFrame
		s.ends, s.frames = append(s.ends, w.Len()), append(s.frames, frames)
	}
	add(func() { w.iface(1, 0, w.option(2, []byte("eth0"))) }, 0)
	for i := range n {
		data := bytes.Repeat([]byte{byte(i)}, i*7%120+1)
		add(func() { w.enhanced(0, uint64(i), data, 200, w.option(1, []byte("comment"))) }, 1)
		switch i % 5 {
		case 1:
			add(func() { w.simple(data, uint32(len(data))) }, 1)
		case 2:
			add(func() { w.block(4, make([]byte, 40)) }, 0)
		case 3:
			add(func() { w.statistics(0, nil) }, 0)
		case 4:
			add(func() { w.section() }, 0)
			add(func() { w.iface(1, 0, nil) }, 0)
		}
	}
	s.data = w.Bytes()
	return s
}

// TestCut cuts captures at every byte: all frames before are there, and
// exactly one warning unless the cut is between two records.
func TestCut(t *testing.T) {
	for name, s := range map[string]sample{"pcap": pcapSample(40), "pcapng": pcapngSample(20)} {
		whole, stats := readBytes(t, s.data)
		if len(stats.Warnings) != 0 || len(whole) != s.frames[len(s.frames)-1] {
			t.Fatalf("%s: whole file: %d frames, %q", name, len(whole), texts(stats))
		}
		for cut := range s.data {
			r, err := capture.Open([]string{"-"}, bytes.NewReader(s.data[:cut]))
			if cut < s.header {
				if err == nil || !strings.Contains(err.Error(), "standard input: is no capture") {
					t.Errorf("%s cut at %d: error is %v", name, cut, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s cut at %d: %v", name, cut, err)
				continue
			}
			got := drain(t, r)
			complete, last := 0, s.header
			for i, end := range s.ends {
				if end <= cut {
					complete, last = s.frames[i], end
				}
			}
			if !slices.Equal(got, whole[:complete]) {
				t.Errorf("%s cut at %d: %d frames, want %d", name, cut, len(got), complete)
			}
			switch warnings := r.Stats().Warnings; {
			case cut == last && len(warnings) > 0:
				t.Errorf("%s cut at %d, between records: %v", name, cut, warnings)
			case cut > last && (len(warnings) != 1 || warnings[0].Offset != int64(last) || warnings[0].Times != 1):
				t.Errorf("%s cut at %d: warnings are %v", name, cut, warnings)
			}
		}
	}
}

// pack packs data in every way there is.
func pack(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	packed := map[string][]byte{}
	for name, open := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"lz4":  func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
		"old lz4": func(w io.Writer) io.WriteCloser {
			z := lz4.NewWriter(w)
			if err := z.Apply(lz4.LegacyOption(true)); err != nil {
				t.Fatal(err)
			}
			return z
		},
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		var b bytes.Buffer
		w := open(&b)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		packed[name] = b.Bytes()
	}
	packed["two gzip members"] = append(pack1(data[:len(data)/3]), pack1(data[len(data)/3:])...)
	packed["lz4 after a skippable frame"] = append([]byte{0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}, packed["lz4"]...)
	packed["zstd after two skippable frames"] = append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3, 0x51, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, packed["zstd"]...)
	packed["zstd after a skippable frame"] = append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}, packed["zstd"]...)
	return packed
}

func pack1(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func TestPacked(t *testing.T) {
	for _, s := range []sample{pcapSample(3000), pcapngSample(3000), pcapSample(0)} {
		want, _ := readBytes(t, s.data)
		for name, data := range pack(t, s.data) {
			got, stats := readBytes(t, data)
			if !slices.Equal(got, want) || len(stats.Warnings) > 0 {
				t.Errorf("%s: %d frames, want %d; %q", name, len(got), len(want), texts(stats))
			}
		}
	}
}

// TestPackedCut cuts packed captures in many places. What can be unpacked is
// read, with exactly one warning.
func TestPackedCut(t *testing.T) {
	s := pcapSample(60)
	want, _ := readBytes(t, s.data)
	most := 0
	for name, data := range pack(t, s.data) {
		for cut := 4; cut < len(data); cut += 5 {
			r, err := capture.Open([]string{"-"}, bytes.NewReader(data[:cut]))
			if err != nil {
				if !strings.HasPrefix(err.Error(), "standard input: ") {
					t.Errorf("%s cut at %d: %v", name, cut, err)
				}
				continue
			}
			got := drain(t, r)
			most = max(most, len(got))
			stats := r.Stats()
			if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
				t.Errorf("%s cut at %d: %d frames that differ", name, cut, len(got))
			}
			ok := len(stats.Warnings) == 1 && strings.Contains(stats.Warnings[0].Text, "cut short")
			if !ok && len(got) < len(want) {
				t.Errorf("%s cut at %d: %d frames, warnings are %q", name, cut, len(got), texts(stats))
			}
		}
	}
	if most == 0 {
		t.Error("nothing was read of any of them")
	}
}

func TestGzipWithTrailer(t *testing.T) {
	s := pcapSample(100)
	for _, trailer := range []string{"garbage that is long enough", strings.Repeat("\x00", 512)} {
		got, stats := readBytes(t, append(pack1(s.data), trailer...))
		if len(got) != 100 || len(stats.Warnings) != 1 {
			t.Errorf("%d frames, %q", len(got), texts(stats))
		}
	}
}

// damage returns a copy of data with what at offset.
func damage(data []byte, offset int, what ...byte) []byte {
	data = bytes.Clone(data)
	copy(data[offset:], what)
	return data
}

// TestResync damages captures at many places: as few frames as can be are lost, and a
// warning says what was skipped.
func TestResync(t *testing.T) {
	const n = 200
	p, g := pcapSample(n), pcapngSample(n)
	impossible := []byte{0xff, 0xff, 0xff, 0xff}
	tests := []struct {
		name    string
		data    []byte
		lost    int // frames
		skipped uint64
		warning string
	}{
		{"pcap, first record", damage(p.data, 24+8, impossible...), 1, uint64(p.ends[0] - 24), "up to where records begin again"},
		{"pcap, one in the middle", damage(p.data, p.ends[99]+8, impossible...), 1, uint64(p.ends[100] - p.ends[99]), "up to where records begin again"},
		{"pcap, close to the end", damage(p.data, p.ends[n-4]+8, impossible...), 1, uint64(p.ends[n-3] - p.ends[n-4]), "up to where records begin again"},
		{"pcap, the last one", damage(p.data, p.ends[n-2]+8, impossible...), 1, uint64(p.ends[n-1] - p.ends[n-2]), "at the end of the file are not read"},
		{"pcap, bytes too many", slices.Concat(p.data[:p.ends[50]], []byte(strings.Repeat("\xfe", 77)), p.data[p.ends[50]:]), 0, 77, "damaged: a record of 4278124286 bytes; 77 bytes skipped"},
		{"pcap, nothing after it is good", slices.Concat(p.data[:p.ends[50]], bytes.Repeat([]byte{0xfe}, 3<<20)), n - 51, 3 << 20, "the end of the file"},
		{"pcap, megabytes of damage", slices.Concat(p.data[:p.ends[50]], bytes.Repeat([]byte{0xfe}, 9<<20), p.data[p.ends[50]:]), 0, 9 << 20, "up to where"},
		{"pcap, longer than what is left", damage(p.data, p.ends[99]+8, 0xff, 0xff, 0x03), 1, uint64(p.ends[100] - p.ends[99]), "damaged: a record of 262143 bytes"},
		{"pcap, longer than on the wire", damage(p.data, p.ends[99]+8, 0x00, 0x10), 1, uint64(p.ends[100] - p.ends[99]), "damaged: a record of 4096 bytes"},
		{"pcap, zeros over a header", damage(p.data, p.ends[99], make([]byte, 16)...), 1, uint64(p.ends[100] - p.ends[99]), "damaged: a record of 0 bytes"},
		{"pcap, three bytes of a header missing", slices.Concat(p.data[:p.ends[50]], p.data[p.ends[50]+3:]), 1, uint64(p.ends[51] - p.ends[50] - 3), "up to where records begin again"},
		{"pcap, zeros at the end", slices.Concat(p.data, make([]byte, 1<<16)), 0, 1 << 16, "damaged: a record of 0 bytes; 65536 bytes at the end of the file are not read"},
		{"pcapng, longer than what is left", damage(g.data, g.ends[40]+4, 0x00, 0x0f, 0xff, 0xfc), 1, uint64(g.ends[41] - g.ends[40]), "damaged: a block of 1048572 bytes, more than there are"},
		{"pcapng, length", damage(g.data, g.ends[40]+4, impossible...), 1, uint64(g.ends[41] - g.ends[40]), "damaged: a block of type 6 and 4294967295 bytes"},
		{"pcapng, second length", damage(g.data, g.ends[41]-4, impossible...), 1, uint64(g.ends[41] - g.ends[40]), "that ends as one of 4294967295"},
		{"pcapng, odd length", damage(g.data, g.ends[40]+7, 0x03), 1, uint64(g.ends[41] - g.ends[40]), "damaged: a block of type 6"},
		{"pcap, one byte too many", slices.Concat(p.data[:p.ends[50]], []byte{0xfe}, p.data[p.ends[50]:]), 0, 1, "; 1 byte skipped"},
		{"pcapng, bytes too many", slices.Concat(g.data[:g.ends[40]], []byte(strings.Repeat("\xfe", 77)), g.data[g.ends[40]:]), 0, 77, "damaged: a block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clean := p.data
			if strings.HasPrefix(tt.name, "pcapng") {
				clean = g.data
			}
			want, _ := readBytes(t, clean)
			got, stats := readBytes(t, tt.data)
			if len(got) != len(want)-tt.lost || stats.Skipped != tt.skipped {
				t.Errorf("%d frames of %d, %d bytes skipped, want %d", len(got), len(want), stats.Skipped, tt.skipped)
			}
			if len(stats.Warnings) != 1 || !strings.Contains(stats.Warnings[0].Text, tt.warning) {
				t.Errorf("warnings are %q", texts(stats))
			}
			at := map[string]bool{}
			for _, f := range want {
				at[f.data] = true
			}
			for _, f := range got {
				if !at[f.data] {
					t.Errorf("frame %d is none of the capture's", f.number)
				}
			}
		})
	}
}

// TestFarApart has records that look damaged by their times, or by a length on the
// wire that is too small, and are not.
func TestFarApart(t *testing.T) {
	const apart = 3 * 86_400
	for name, at := range map[string]func(i uint32) uint32{
		"forward":     func(i uint32) uint32 { return 1_000_000_000 + i*apart },
		"back":        func(i uint32) uint32 { return 2_000_000_000 - i*apart },
		"now and now": func(i uint32) uint32 { return 1_000_000_000 + i%2*apart },
		"in groups":   func(i uint32) uint32 { return 1_000_000_000 + i/7*apart + i },
	} {
		w := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
		for i := range uint32(303) {
			wire := uint32(4)
			if name == "in groups" && i%7 == 6 {
				wire = 3
			}
			w.record(at(i), i, []byte{byte(i), 1, 2, 3}, wire)
		}
		got, stats := readBytes(t, w.Bytes())
		if len(got) != 303 || len(stats.Warnings) > 0 {
			t.Errorf("%s: %d frames, %q", name, len(got), texts(stats))
		}
		wantSameInRuns(t, []string{"-"}, w, got, stats)
	}
}

// TestResyncIsNotFooled has a capture within a packet of a damaged record: the
// frames inside are none that were on the wire here.
func TestResyncIsNotFooled(t *testing.T) {
	inner := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
	for i := range uint32(20) {
		inner.record(1_500_000_000+i, i, make([]byte, 50), 50)
	}
	inner.WriteString("the next segment has the rest of this record")
	w := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
	for i := range uint32(100) {
		if i == 30 {
			w.record(1_500_000_000+i, 0, inner.Bytes(), uint32(inner.Len()))
			continue
		}
		w.record(1_500_000_000+i, 0, []byte{byte(i), 1, 2, 3}, 4)
	}
	damaged := damage(w.Bytes(), 24+30*20+8, 0xff, 0xff, 0xff, 0xff)
	got, stats := readBytes(t, damaged)
	if len(got) != 99 || stats.Skipped != uint64(16+inner.Len()) {
		t.Errorf("%d frames, %d bytes skipped, %q", len(got), stats.Skipped, texts(stats))
	}
}

func TestUnknownLaterSection(t *testing.T) {
	w := &ngWriter{}
	w.section()
	w.iface(1, 0, nil)
	w.enhanced(0, 1, []byte("a"), 1, nil)
	at := w.Len()
	w.block(0x0a0d0d0a, w.numbers(uint32(0x1a2b3c4d), uint16(9), uint16(0), int64(-1)))
	w.enhanced(0, 1, []byte("a"), 1, nil)
	got, stats := readBytes(t, w.Bytes())
	if len(got) != 1 || len(stats.Warnings) != 1 || stats.Warnings[0].Offset != int64(at) {
		t.Errorf("%d frames, %v", len(got), stats.Warnings)
	}
}

// TestBombs has little that unpacks to a lot: it is read in pieces.
func TestBombs(t *testing.T) {
	const size = 48 << 20
	filler := bytes.Repeat([]byte{0xfe}, size)
	p, g := pcapSample(20), &ngWriter{}
	g.section()
	for range 3 {
		g.block(0x7777, make([]byte, 16<<20-12))
	}
	for name, data := range map[string][]byte{
		"a pcap with garbage":       pack1(slices.Concat(p.data, filler, p.data[p.header:])),
		"a pcapng with long blocks": pack1(g.Bytes()),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, stats := readBytes(t, data)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: %d bytes of memory for %d; %+v", name, used, len(data), stats)
		}
	}
}

// TestWindow has zstd data that would need 256 MiB to unpack.
func TestWindow(t *testing.T) {
	data := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3, 1, 0, 0}
	_, err := capture.Open([]string{"-"}, bytes.NewReader(data))
	if err == nil || !strings.Contains(err.Error(), "standard input: the zstd data are damaged or cut short: window size exceeded") {
		t.Errorf("error is %v", err)
	}
}
