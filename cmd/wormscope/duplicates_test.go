package main

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormscope/capture"
)

// copies are the ways in which a span port gives a packet a second time.
var copies = map[string]func([]byte) []byte{
	"same":   slices.Clone[[]byte],
	"routed": routed,
}

// routed returns a frame as it looks behind a router: other MAC addresses, a
// hop less, and so another checksum.
func routed(frame []byte) []byte {
	f := slices.Clone(frame)
	if len(f) < 34 {
		return f
	}
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2})
	switch binary.BigEndian.Uint16(f[12:]) {
	case 0x0800:
		if f[22] < 2 {
			return f
		}
		f[22]--
		sum := uint32(binary.BigEndian.Uint16(f[24:])) + 0x100 // RFC 1141
		binary.BigEndian.PutUint16(f[24:], uint16(sum+sum>>16))
	case 0x86dd:
		f[21]--
	}
	return f
}

// double writes a capture in which each packet comes again after a while, or one
// of what comes again alone, as another tap has it.
func double(t *testing.T, from, to string, again func([]byte) []byte, alone bool) {
	t.Helper()
	const later = int64(150 * time.Microsecond)
	r, err := capture.Open([]string{from}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []capture.Frame
	var f capture.Frame
	for {
		if err = r.Next(&f); err != nil {
			break
		}
		f.Data = slices.Clone(f.Data)
		if !alone {
			all = append(all, f)
		}
		f.Data, f.Time = again(f.Data), f.Time+later
		all = append(all, f)
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Time < all[j].Time })
	out := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d) // nanoseconds
	out = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(out, 2), 4)
	out = append(out, make([]byte, 8)...)
	out = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(out, 1<<18), uint32(all[0].Link))
	for _, f := range all {
		for _, n := range []int64{f.Time / 1e9, f.Time % 1e9, int64(len(f.Data)), int64(f.Len)} {
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		}
		out = append(out, f.Data...)
	}
	if err := os.WriteFile(to, out, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCopiesCountOnce replays captures in which each packet comes twice, as a
// span port gives it that copies what comes in and what goes out, and captures
// of two taps on the way of each packet: everything that is counted is what it is
// without the copies.
func TestCopiesCountOnce(t *testing.T) {
	for _, name := range committed(t) {
		if !strings.HasSuffix(name, ".pcap") || strings.HasPrefix(name, "format") || strings.HasPrefix(name, "span-") {
			continue
		}
		single := runReplay(t, []string{name}, outbreakArgs()...)
		if single.status != exitOK {
			t.Fatal(single.stderr)
		}
		for how, again := range copies {
			t.Run(name+"/"+how, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				double(t, name, path, again, false)
				twice := runReplay(t, []string{path}, outbreakArgs()...)
				if diff := cmp.Diff(tellings(t, single.alerts), tellings(t, twice.alerts)); diff != "" {
					t.Errorf("copies change what is told (-single +double):\n%s", diff)
				}
				double(t, name, path, again, true)
				taps := runReplay(t, []string{name, path}, outbreakArgs()...)
				if diff := cmp.Diff(tellings(t, single.alerts), tellings(t, taps.alerts)); diff != "" {
					t.Errorf("a second tap changes what is told (-one +two):\n%s", diff)
				}
			})
		}
	}
}
