package capture_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"wormscope/capture"
	"wormscope/internal/corpus"
)

// record is a frame that was copied.
type record struct {
	time   int64
	data   string
	wire   int
	link   capture.LinkType
	file   int
	number uint64
}

// readOn reads so many frames, of which f is the last.
func readOn(t testing.TB, r *capture.Reader, f *capture.Frame, frames int) {
	t.Helper()
	for range frames {
		if err := r.Next(f); err != nil {
			t.Fatal(err)
		}
	}
}

// drain reads all that is left.
func drain(t testing.TB, r *capture.Reader) []record {
	t.Helper()
	var all []record
	var f capture.Frame
	for {
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record{f.Time, string(f.Data), f.Len, f.Link, f.File, f.Number})
	}
}

// readFiles reads captures from beginning to end.
func readFiles(t testing.TB, paths ...string) ([]record, capture.Stats) {
	t.Helper()
	r, err := capture.Open(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := drain(t, r)
	if r.Consumed() != r.Size() {
		t.Errorf("%s: Consumed() = %d at the end, Size() = %d", paths, r.Consumed(), r.Size())
	}
	wantSameInRuns(t, paths, nil, all, r.Stats())
	return all, r.Stats()
}

// TestCorpusCounts compares the number of frames with what tshark counts,
// which is in the index of the public captures.
func TestCorpusCounts(t *testing.T) {
	dir := corpus.Dir(t)
	index, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	compared := 0
	for lines := bufio.NewScanner(index); lines.Scan(); {
		field := strings.Split(lines.Text(), "\t")
		if len(field) < 4 {
			continue
		}
		want, err := strconv.ParseUint(field[3], 10, 64)
		if err != nil {
			continue
		}
		compared++
		if right, ok := indexErrors()[filepath.Base(field[0])]; ok {
			want = right
		}
		r, err := capture.Open([]string{filepath.Join(dir, field[0])}, nil)
		if err != nil {
			t.Errorf("%s: %v", field[0], err)
			continue
		}
		frames := drain(t, r)
		if s := r.Stats(); uint64(len(frames)) != want || s.Frames != want {
			t.Errorf("%s: %d frames, %d in the statistics, tshark counts %d; warnings %v",
				field[0], len(frames), s.Frames, want, s.Warnings)
		}
		r.Close()
	}
	if compared < 100 {
		t.Fatalf("only %d captures were compared", compared)
	}
}

// indexErrors are the captures whose number of frames in the index is not that
// of the file, and what it is.
func indexErrors() map[string]uint64 {
	return map[string]uint64{
		"the-tcpdump-group__tests__LINKTYPE_IPV6_invalid.pcap":                 1, // tshark exits with an error after it
		"the-tcpdump-group__tests__juniper_monitor_invalid_cookie_length.pcap": 1, // tshark does not know the link type
		"google__pcapgo__tests__be__test202.pcapng":                            8, // the index counts custom blocks
		"google__pcapgo__tests__le__test017.pcapng":                            0, // nothing but custom blocks
	}
}

// foreign reads a capture with gopacket, as far as that can.
func foreign(t *testing.T, path string) ([]record, error) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if data, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	return foreignBytes(data)
}

func foreignBytes(data []byte) ([]record, error) {
	if !bytes.HasPrefix(data, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err := pcapgo.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		r.SetSnaplen(262_144) // or it allocates whatever a record claims, up to 4 GiB
		return foreignFrames(r, func(gopacket.CaptureInfo) layers.LinkType { return r.LinkType() })
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return nil, err
	}
	return foreignFrames(r, func(ci gopacket.CaptureInfo) layers.LinkType {
		return ci.AncillaryData[0].(layers.LinkType)
	})
}

func foreignFrames(src gopacket.PacketDataSource, link func(gopacket.CaptureInfo) layers.LinkType) ([]record, error) {
	var all []record
	for {
		data, ci, err := src.ReadPacketData()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, err
		}
		all = append(all, record{
			time: ci.Timestamp.UnixNano(), data: string(data), wire: ci.Length,
			link: capture.LinkType(link(ci)), number: uint64(len(all) + 1),
		})
	}
}

// noTime is what gopacket says of a simple packet block.
const noTime = -6795364578871345152

// overrun is a capture with 1159 s in the microseconds, which do not fit in 32
// bits as nanoseconds; gopacket and Wireshark lose the rest.
const overrun = "atm-oam-loopback-print-overrun.pcap"

// TestCorpusFrames compares every frame with what gopacket reads.
func TestCorpusFrames(t *testing.T) {
	compared, partly := 0, 0
	for _, path := range corpus.Files(t) {
		want, errForeign := foreign(t, path)
		if len(want) == 0 && errForeign != nil {
			t.Logf("not compared: %s: %v", filepath.Base(path), errForeign)
			continue
		}
		got, stats := readFiles(t, path)
		if errForeign != nil {
			t.Logf("compared as far as gopacket reads: %s: %v; our warnings: %v", filepath.Base(path), errForeign, stats.Warnings)
			partly++
		} else if len(got) != len(want) {
			t.Errorf("%s: %d frames, gopacket reads %d; warnings %v", path, len(got), len(want), stats.Warnings)
		}
		for i := range min(len(got), len(want)) {
			w := want[i]
			w.link &= 0xff // gopacket keeps eight bits
			g := got[i]
			g.link &= 0xff
			g.number = w.number // gopacket has none
			if w.time == noTime || strings.HasSuffix(path, overrun) {
				g.time = w.time
			}
			if g != w {
				t.Errorf("%s: frame %d is %+v, gopacket reads %+v", path, i+1, g, w)
				break
			}
		}
		compared++
	}
	t.Logf("%d captures, %d of them as far as gopacket reads", compared, partly)
	if compared < 100 {
		t.Fatalf("only %d captures were compared", compared)
	}
}
