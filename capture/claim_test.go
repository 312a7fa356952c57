package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
)

// TestClaimedLengths has lengths on the wire that an int of 32 bits does not hold:
// they are then taken for the largest that it does, frame by frame as in runs.
func TestClaimedLengths(t *testing.T) {
	data := []byte("abcd")
	for _, claimed := range []uint32{math.MaxInt32 - 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 3, math.MaxUint32} {
		p := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
		for i := range uint32(60) {
			p.record(i, 0, data, claimed)
		}
		g := &ngWriter{}
		g.section()
		g.iface(1, claimed, nil)
		for range 20 {
			g.enhanced(0, 1e15, data, claimed, nil)
			g.simple(data, claimed)
			g.obsolete(0, 0, 1e15, data, claimed)
		}
		for format, file := range map[string][]byte{"pcap": p.Bytes(), "pcapng": g.Bytes()} {
			t.Run(fmt.Sprint(format, " ", claimed), func(t *testing.T) {
				all, stats := readBytes(t, file)
				if len(all) != 60 || len(stats.Warnings) != 0 {
					t.Errorf("%d frames of 60, warnings are %q", len(all), texts(stats))
				}
				for i, f := range all {
					if want := min(int64(claimed), math.MaxInt); int64(f.wire) != want || f.data != "abcd" {
						t.Fatalf("frame %d is %q of %d bytes, want %d", i, f.data, f.wire, want)
					}
				}
				wantSameInRuns(t, []string{"-"}, bytes.NewReader(file), all, stats)
			})
		}
	}
}

// TestClaimedCapture has records in the middle of others that claim to have more
// bytes than an int of 32 bits counts.
func TestClaimedCapture(t *testing.T) {
	for _, claimed := range []uint32{math.MaxInt32 - 8, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 8, math.MaxUint32} {
		w := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
		for i := range uint32(90) {
			w.record(i, 0, []byte("abcd"), 4)
		}
		file, at := w.Bytes(), 24+40*20
		binary.LittleEndian.PutUint32(file[at+8:], claimed)
		binary.LittleEndian.PutUint32(file[at+12:], claimed)
		all, stats := readBytes(t, file)
		if len(all) != 89 || stats.Skipped != 20 || len(stats.Warnings) != 1 {
			t.Errorf("%d: %d frames of 89, %d bytes skipped, warnings are %q", claimed, len(all), stats.Skipped, texts(stats))
		}
		wantSameInRuns(t, []string{"-"}, bytes.NewReader(file), all, stats)
	}
}
