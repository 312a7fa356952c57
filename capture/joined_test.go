package capture_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"wormscope/capture"
)

// numberedPcap is a capture of n frames, one per second, that hold their number.
func numberedPcap(w *pcapWriter, first, n uint32) []byte {
	for i := range n {
		w.record(first+i, 0, []byte{byte(i), byte(i >> 8), 0, 0}, 4)
	}
	return w.Bytes()
}

// TestJoined has captures that cat joined: of two sorts of machine, two link
// types and two units of time, plain and as members of one gzip file.
func TestJoined(t *testing.T) {
	parts := []struct {
		w    *pcapWriter
		link capture.LinkType
	}{
		{newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4), capture.LinkEthernet},
		{newPcapWriter(binary.LittleEndian, 0xa1b23c4d, 101, 4), capture.LinkRaw},
		{newPcapWriter(binary.BigEndian, 0xa1b2c3d4, 113, 4), capture.LinkSLL},
		{newPcapWriter(binary.LittleEndian, 0xa1b2cd34, 1, 2), capture.LinkEthernet},
		{newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4), capture.LinkEthernet},
	}
	var plain, packed []byte
	var want []record
	for i, part := range parts {
		data := numberedPcap(part.w, 1_500_000_000+uint32(i)*200_000, 300)
		all, _ := readBytes(t, data)
		for n, f := range all {
			f.number = uint64(i*300 + n + 1)
			if f.link != part.link {
				t.Fatalf("part %d is of link type %v", i, f.link)
			}
			want = append(want, f)
		}
		plain, packed = append(plain, data...), append(packed, pack1(data)...)
	}
	for name, data := range map[string][]byte{"plain": plain, "packed": packed} {
		got, stats := readBytes(t, data)
		wantFrames(t, got, want)
		if len(stats.Warnings) != 1 || stats.Warnings[0].Times != 4 || !strings.Contains(stats.Warnings[0].Text, "as cat joins them") {
			t.Errorf("%s: warnings are %+v", name, stats.Warnings)
		}
		wantSameInRuns(t, []string{"-"}, bytes.NewReader(data), got, stats)
	}
}

// TestJoinedBadly has a second file header that can't be used, and one within
// what is damaged.
func TestJoinedBadly(t *testing.T) {
	first := pcapSample(50).data
	second := numberedPcap(newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4), 1_600_000_000, 50)
	for name, tt := range map[string]struct {
		data    []byte
		frames  int
		warning string
	}{
		"cut short":    {slices.Concat(first, second[:20]), 50, "cut short: 20 bytes are left of the last file header"},
		"one byte":     {slices.Concat(first, second[:1]), 50, "cut short: 1 byte is left of the last record"},
		"new version":  {slices.Concat(first, damage(second, 4, 9)), 50, "what is appended is a pcap file of version 9.4, which is not known; the rest of the file is not read"},
		"after damage": {slices.Concat(first, []byte(strings.Repeat("\xfe", 33)), second), 100, "several pcap files in one, as cat joins them; all are read"},
	} {
		got, stats := readBytes(t, tt.data)
		if last := len(stats.Warnings) - 1; len(got) != tt.frames || last < 0 || stats.Warnings[last].Text != tt.warning {
			t.Errorf("%s: %d frames, %q", name, len(got), texts(stats))
		}
	}
}

// TestResyncFarAway has good records of another time than those before the
// damage, because nothing was captured for days, or the last record before the
// damage is wrong too, and so a part of it.
func TestResyncFarAway(t *testing.T) {
	for name, last := range map[string]struct {
		at      uint32
		frames  int
		skipped uint64
	}{"before a gap": {1_500_000_050, 551, 37}, "with a wrong time": {4_000_000_000, 550, 57}} {
		w := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
		numberedPcap(w, 1_500_000_000, 50)
		w.record(last.at, 0, []byte("last"), 4)
		w.WriteString(strings.Repeat("\xfe", 37))
		got, stats := readBytes(t, numberedPcap(w, 1_500_200_000, 500))
		if len(got) != last.frames || stats.Skipped != last.skipped {
			t.Errorf("last %s: %d frames, %d bytes skipped, %q", name, len(got), stats.Skipped, texts(stats))
		}
	}
}

// TestResyncPrefersNear has a whole capture of another year in the payload of
// a damaged record: the frames inside are none that were on the wire here.
func TestResyncPrefersNear(t *testing.T) {
	inner := numberedPcap(newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4), 1_200_000_000, 60)
	w := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4)
	numberedPcap(w, 1_500_000_000, 10)
	at := w.Len()
	w.record(1_500_000_010, 0, inner, uint32(len(inner)))
	data := damage(numberedPcap(w, 1_500_000_011, 100), at+8, 0xff, 0xff, 0xff, 0xff)
	if got, stats := readBytes(t, data); len(got) != 110 || stats.Skipped != uint64(16+len(inner)) {
		t.Errorf("%d frames, %d bytes skipped, %q", len(got), stats.Skipped, texts(stats))
	}
}

// TestResyncOnNumbers has tables of small numbers instead of records, any of
// which could be a record of 1970.
func TestResyncOnNumbers(t *testing.T) {
	p := pcapSample(20)
	for _, n := range []byte{1, 4, 16} {
		filler := bytes.Repeat([]byte{n, 0, 0, 0}, 1000)
		data := slices.Concat(p.data, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), filler, p.data[p.header:])
		if got, stats := readBytes(t, data); len(got) != 40 || stats.Skipped != uint64(16+len(filler)) {
			t.Errorf("%d: %d frames, %d bytes skipped", n, len(got), stats.Skipped)
		}
	}
}

// TestWithoutTime has packets of a kind of block that has no time.
func TestWithoutTime(t *testing.T) {
	w := &ngWriter{}
	w.section()
	w.iface(1, 0, nil)
	at := w.Len()
	w.simple([]byte("one"), 3)
	w.simple([]byte("two"), 3)
	w.enhanced(0, 1e15, []byte("three"), 5, nil)
	w.simple([]byte("four"), 4)
	got, stats := readBytes(t, w.Bytes())
	if len(got) != 4 || got[1].time != 0 || got[3].time != got[2].time || len(stats.Warnings) != 1 || stats.Warnings[0].Offset != int64(at) || stats.Warnings[0].Times != 2 {
		t.Errorf("%d frames, %+v", len(got), stats.Warnings)
	}
}
