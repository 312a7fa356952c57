package capture_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/capture"
)

// A pcapWriter makes pcap files by hand.
type pcapWriter struct {
	bytes.Buffer
	order binary.ByteOrder
	extra int  // bytes of a record header beyond the usual ones
	swap  bool // the length on the wire comes first
}

func newPcapWriter(order binary.ByteOrder, magic, link uint32, minor uint16) *pcapWriter {
	w := &pcapWriter{order: order}
	if magic == 0xa1b2cd34 {
		w.extra = 8
	}
	w.swap = minor < 3
	h := make([]byte, 24)
	order.PutUint32(h, magic)
	order.PutUint16(h[4:], 2)
	order.PutUint16(h[6:], minor)
	order.PutUint32(h[16:], 96)
	order.PutUint32(h[20:], link)
	w.Write(h)
	return w
}

func (w *pcapWriter) record(sec, frac uint32, data []byte, wire uint32) {
	h := make([]byte, 16+w.extra)
	w.order.PutUint32(h, sec)
	w.order.PutUint32(h[4:], frac)
	first, second := uint32(len(data)), wire
	if w.swap {
		first, second = second, first
	}
	w.order.PutUint32(h[8:], first)
	w.order.PutUint32(h[12:], second)
	w.Write(h)
	w.Write(data)
}

// readBytes reads a capture that is in memory, as standard input.
func readBytes(t testing.TB, data []byte) ([]record, capture.Stats) {
	t.Helper()
	r, err := capture.Open([]string{"-"}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := drain(t, r)
	return all, r.Stats()
}

// texts returns the texts of warnings.
func texts(s capture.Stats) []string {
	var all []string
	for _, w := range s.Warnings {
		all = append(all, w.Text)
	}
	return all
}

func wantFrames(t *testing.T, got, want []record) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d frames, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("frame %d is %+v, want %+v", i+1, got[i], want[i])
		}
	}
}

// TestPcapVariants reads pcap files of every byte order, magic number and version.
func TestPcapVariants(t *testing.T) {
	tests := []struct {
		name   string
		order  binary.ByteOrder
		magic  uint32
		minor  uint16
		link   uint32
		ns     int64 // of the fraction 7
		linkIs capture.LinkType
	}{
		{"little-endian", binary.LittleEndian, 0xa1b2c3d4, 4, 1, 7000, capture.LinkEthernet},
		{"big-endian", binary.BigEndian, 0xa1b2c3d4, 4, 113, 7000, capture.LinkSLL},
		{"nanoseconds", binary.LittleEndian, 0xa1b23c4d, 4, 101, 7, capture.LinkRaw},
		{"nanoseconds, big-endian", binary.BigEndian, 0xa1b23c4d, 4, 276, 7, capture.LinkSLL2},
		{"modified", binary.LittleEndian, 0xa1b2cd34, 4, 1, 7000, capture.LinkEthernet},
		{"modified, big-endian", binary.BigEndian, 0xa1b2cd34, 4, 1, 7000, capture.LinkEthernet},
		{"lengths in the old order", binary.BigEndian, 0xa1b2c3d4, 2, 1, 7000, capture.LinkEthernet},
		{"lengths in either order", binary.LittleEndian, 0xa1b2c3d4, 3, 1, 7000, capture.LinkEthernet},
		{"four bytes of FCS", binary.LittleEndian, 0xa1b2c3d4, 4, 0x2400_0001, 7000, capture.LinkEthernet},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPcapWriter(tt.order, tt.magic, tt.link, tt.minor)
			w.record(1_500_000_000, 7, []byte("abc"), 90)
			w.record(4_294_967_295, 7, nil, 0)
			w.record(0, 7, bytes.Repeat([]byte{1}, 262_144), 262_144) // above the snaplen of the file
			got, stats := readBytes(t, w.Bytes())
			wantFrames(t, got, []record{
				{1_500_000_000_000_000_000 + tt.ns, "abc", 90, tt.linkIs, 0, 1},
				{4_294_967_295_000_000_000 + tt.ns, "", 0, tt.linkIs, 0, 2},
				{tt.ns, strings.Repeat("\x01", 262_144), 262_144, tt.linkIs, 0, 3},
			})
			if stats.Frames != 3 || stats.Bytes != 262_147 || stats.WireBytes != 262_234 || stats.Truncated != 1 || len(stats.Warnings) > 0 {
				t.Errorf("statistics are %+v", stats)
			}
		})
	}
}

// TestLongerThanOnTheWire holds Frame to its word that data are at most Len.
func TestLongerThanOnTheWire(t *testing.T) {
	w := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
	w.record(1, 0, []byte("abcdef"), 2)
	got, _ := readBytes(t, w.Bytes())
	wantFrames(t, got, []record{{1e9, "abcdef", 6, 1, 0, 1}})
}

// TestPcapngVariants reads each form of pcapng block, in both byte orders.
func TestPcapngVariants(t *testing.T) {
	le, be := &ngWriter{}, &ngWriter{big: true}
	resol := func(w *ngWriter, n byte) []byte { return w.option(9, []byte{n}) }
	tests := []struct {
		name string
		make func(w *ngWriter)
		want []record
	}{
		{"several interfaces", func(w *ngWriter) {
			w.section()
			w.iface(1, 0, nil)
			w.iface(101, 0, append(resol(w, 9), w.option(14, w.numbers(int64(1000)))...))
			w.iface(276, 0, resol(w, 0x80|10))
			w.enhanced(0, 5, []byte("abc"), 3, nil)
			w.enhanced(1, 5, []byte("defg"), 40, nil)
			w.enhanced(2, 1536, nil, 0, nil)
		}, []record{
			{5000, "abc", 3, 1, 0, 1}, {1_000_000_000_005, "defg", 40, 101, 0, 2}, {1_500_000_000, "", 0, 276, 0, 3},
		}},
		{"simple packets", func(w *ngWriter) {
			w.section()
			w.iface(1, 4, nil)
			w.enhanced(0, 5, []byte("abc"), 3, nil)
			w.simple([]byte("abcd"), 10) // cut by the interface's snaplen
			w.simple([]byte("abc"), 3)   // padded
		}, []record{
			{5000, "abc", 3, 1, 0, 1}, {5000, "abcd", 10, 1, 0, 2}, {5000, "abc", 3, 1, 0, 3},
		}},
		{"obsolete packets", func(w *ngWriter) {
			w.section()
			w.iface(1, 0, nil)
			w.obsolete(0, 0xffff, 1<<33, []byte("abcde"), 9)
		}, []record{{1 << 33 * 1000, "abcde", 9, 1, 0, 1}}},
		{"sections start anew", func(w *ngWriter) {
			w.section()
			w.iface(1, 0, nil)
			w.enhanced(0, 1, []byte("a"), 1, nil)
			w.section()
			w.iface(101, 0, resol(w, 9))
			w.enhanced(0, 2, []byte("b"), 1, nil)
		}, []record{{1000, "a", 1, 1, 0, 1}, {2, "b", 1, 101, 0, 2}}},
		{"other blocks", func(w *ngWriter) {
			w.section()
			w.block(0x7777, []byte("whatever"))
			w.iface(1, 0, nil)
			w.block(4, w.numbers(uint32(0)))
			w.enhanced(0, 1, []byte("a"), 1, nil)
			w.block(10, make([]byte, 3<<20)) // longer than what is kept in memory
			w.enhanced(0, 2, []byte("b"), 1, nil)
			w.block(0xbad, w.numbers(uint32(1))) // Wireshark numbers it
			w.enhanced(0, 3, []byte("c"), 1, nil)
		}, []record{{1000, "a", 1, 1, 0, 1}, {2000, "b", 1, 1, 0, 2}, {3000, "c", 1, 1, 0, 4}}},
		{"options in damaged order", func(w *ngWriter) {
			w.section()
			w.iface(1, 0, w.numbers(uint16(2), uint16(60000))) // says more than there is
			w.enhanced(0, 1, []byte("a"), 1, w.numbers(uint16(1), uint16(40)))
		}, []record{{1000, "a", 1, 1, 0, 1}}},
	}
	for _, tt := range tests {
		for _, w := range []*ngWriter{le, be} {
			w.Reset()
			tt.make(w)
			got, stats := readBytes(t, w.Bytes())
			t.Run(tt.name, func(t *testing.T) { wantFrames(t, got, tt.want) })
			if len(stats.Warnings) > 0 || stats.Skipped > 0 {
				t.Errorf("%s: %q, %d bytes skipped", tt.name, texts(stats), stats.Skipped)
			}
		}
	}
}

func TestSectionsOfBothByteOrders(t *testing.T) {
	var all bytes.Buffer
	for _, big := range []bool{false, true, false} {
		w := &ngWriter{big: big}
		w.section()
		w.iface(1, 0, nil)
		w.enhanced(0, 1, []byte("a"), 1, nil)
		all.Write(w.Bytes())
	}
	got, stats := readBytes(t, all.Bytes())
	wantFrames(t, got, []record{{1000, "a", 1, 1, 0, 1}, {1000, "a", 1, 1, 0, 2}, {1000, "a", 1, 1, 0, 3}})
	if len(stats.Warnings) > 0 {
		t.Errorf("%q", texts(stats))
	}
}

// TestDropped adds up what captures say of their own losses.
func TestDropped(t *testing.T) {
	w := &ngWriter{}
	lost := func(device, system uint64) []byte {
		return append(w.option(5, w.numbers(device)), w.option(7, w.numbers(system))...)
	}
	w.section()
	w.iface(1, 0, nil)
	w.iface(1, 0, nil)
	w.iface(1, 0, nil)
	w.statistics(0, lost(2, 1))
	w.statistics(0, lost(10, 1)) // counts from the beginning, as the one before
	w.statistics(0, lost(^uint64(0), ^uint64(0)))
	w.enhanced(0, 1, []byte("a"), 1, w.option(4, w.numbers(uint64(4)))) // among the 11
	w.enhanced(1, 1, []byte("a"), 1, append(w.option(2, w.numbers(uint32(0))), w.option(4, w.numbers(uint64(100)))...))
	w.obsolete(2, 1000, 1, []byte("a"), 1)
	w.obsolete(2, 0xffff, 1, []byte("a"), 1)
	w.section()
	w.iface(1, 0, nil)
	w.statistics(0, lost(20_000, 0))
	got, stats := readBytes(t, w.Bytes())
	if len(got) != 4 || stats.Dropped != 21_111 || len(stats.Warnings) > 0 {
		t.Errorf("%d frames, %d dropped, %q", len(got), stats.Dropped, texts(stats))
	}
}

func TestSpoiledBlocks(t *testing.T) {
	w := &ngWriter{}
	w.section()
	w.enhanced(0, 1, []byte("a"), 1, nil)
	w.iface(1, 0, nil)
	w.enhanced(3, 1, []byte("a"), 1, nil)
	w.enhanced(3, 1, []byte("a"), 1, nil)
	w.block(6, w.numbers(uint32(0), uint32(0), uint32(0), uint32(500), uint32(500)))
	w.block(6, nil)
	w.block(2, nil)
	w.block(3, nil)
	w.block(1, nil)
	w.block(5, nil)
	w.enhanced(0, 2, []byte("b"), 1, nil)
	got, stats := readBytes(t, w.Bytes())
	wantFrames(t, got, []record{{2000, "b", 1, 1, 0, 1}})
	want := []string{
		"a block of interface 0, which the file does not describe; skipped",
		"a block of interface 3, which the file does not describe; skipped",
		"a frame of 500 bytes in a block of 32; skipped",
		"a packet block of 12 bytes; skipped",
		"an interface description of 12 bytes; skipped",
		"interface statistics of 12 bytes; skipped",
	}
	if got := texts(stats); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("warnings are\n%s", strings.Join(got, "\n"))
	}
	if w := stats.Warnings; w[0].Offset != 28 || w[1].Times != 2 || w[3].Times != 3 {
		t.Errorf("warnings are %+v", w)
	}
	if stats.Skipped != 3*36+32+5*12 {
		t.Errorf("%d bytes skipped", stats.Skipped)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	dir := t.TempDir()
	w := &ngWriter{}
	w.section()
	for i := range uint32(50) {
		w.enhanced(i, 1, nil, 0, nil)
	}
	for i := range 10 {
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))), w.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, stats := readFiles(t, dir)
	if len(stats.Warnings) != 100 || stats.More != 400 || stats.Warnings[99].File != 4 {
		t.Errorf("%d warnings and %d more", len(stats.Warnings), stats.More)
	}
}

func TestLinkTypeNames(t *testing.T) {
	for link, want := range map[capture.LinkType]string{
		capture.LinkNull: "NULL", capture.LinkEthernet: "ETHERNET", capture.LinkSLL2: "LINUX_SLL2",
		127: "IEEE802_11_RADIOTAP", 220: "USB_LINUX_MMAPPED", 301: "DECT_NR", 27: "LINKTYPE_27", 65535: "LINKTYPE_65535",
	} {
		if got := link.String(); got != want {
			t.Errorf("%d is %s, want %s", uint16(link), got, want)
		}
	}
}
