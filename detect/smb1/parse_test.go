package smb1

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
	"testing"
)

// unhex returns the bytes of a message of which the NetBIOS header is cut off.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// The messages are the header with these fields, and the words and bytes of
// the specification's tables, written out by hand.
const (
	header   = "ff534d42 %s 00000000 18 07c0 0000 0000000000000000 0000 0008 fffe 0108 4100"
	pingText = "0f 0c00 0000 0100 0000 00 00 0000 0134ee00 0000 0c00 4200 0000 4e00 01 00 0e00 0d00 000000000000000000000000"
)

func TestTrans(t *testing.T) {
	b := unhex(t, strings.Replace(header, "%s", "32", 1)+pingText)
	h, ok := ParseHeader(b)
	if !ok || h.Command != CommandTrans2 || h.MID != 65 || h.TID != 0x0800 || h.PID != 0xFEFF || h.UID != 0x0801 ||
		h.Flags2 != 0xC007 || h.WordCount != 15 || h.Reply() || !h.Unicode() {
		t.Fatalf("header %+v, %v", h, ok)
	}
	tr, ok := ParseTrans(b)
	want := Trans{TotalParam: 12, MaxParam: 1, Timeout: 0x00EE3401, ParamCount: 12, SetupCount: 1, Setup: [2]uint16{0x0E, 0}}
	if !ok || tr != want || !tr.Complete() {
		t.Fatalf("%+v, %v, want %+v", tr, ok, want)
	}
	for n := range b {
		ParseTrans(b[:n]) // must not panic
	}
	for _, n := range []int{60, 62} { // before, and in, the setup word
		if _, ok := ParseTrans(b[:n]); ok {
			t.Errorf("read a message of %d bytes, which is too short", n)
		}
	}
}

func TestNTTrans(t *testing.T) {
	words := "14 00 0000 1e000000 d0030100 1e000000 00000000 1e000000 4b000000 d0030000 68000000 01 0000 0000"
	b := unhex(t, strings.Replace(header, "%s", "a0", 1)+words)
	n, ok := ParseNTTrans(b)
	want := NTTrans{TotalParam: 30, TotalData: 66512, ParamCount: 30, DataCount: 976}
	if !ok || n != want || n.Complete() {
		t.Fatalf("%+v, %v, want %+v", n, ok, want)
	}
}

func TestSecondary(t *testing.T) {
	b := unhex(t, strings.Replace(header, "%s", "33", 1)+"09 0000 0010 0000 0000 0000 0010 3500 d003 0000 1310")
	s, ok := ParseSecondary(b)
	if want := (Secondary{DataCount: 4096}); !ok || s != want {
		t.Fatalf("%+v, %v, want %+v", s, ok, want)
	}
	b = unhex(t, strings.Replace(header, "%s", "a1", 1)+
		"12 000000 00000000 08010000 00000000 00000000 00000000 08010000 48000000 b8010000 00 0000")
	s, ok = ParseNTSecondary(b)
	if want := (Secondary{DataCount: 264}); !ok || s != want {
		t.Fatalf("%+v, %v, want %+v", s, ok, want)
	}
}

func TestWriteAndX(t *testing.T) {
	b := unhex(t, strings.Replace(header, "%s", "2f", 1)+"0c ff 00 0000 0040 00000000 ffffffff 0800 0000 0000 0010 3b00 0010")
	w, ok := ParseWriteAndX(b)
	if want := (WriteAndX{FID: 0x4000, Mode: 8}); !ok || w != want {
		t.Fatalf("%+v, %v, want %+v", w, ok, want)
	}
}

func TestTreePath(t *testing.T) {
	ascii := unhex(t, strings.Replace(strings.Replace(header, "%s", "75", 1), "07c0", "0120", 1)+
		"04 ff 00 0000 0000 0100 1600 00"+hex.EncodeToString([]byte(`\\10.0.0.1\IPC$`+"\x00?????\x00")))
	wide := unhex(t, strings.Replace(header, "%s", "75", 1)+"04 ff 00 0000 0000 0100 1600 00"+
		hex.EncodeToString([]byte("\\\x00\\\x00h\x00\\\x00s\x00\x00\x00?\x00")))
	chained := unhex(t, strings.Replace(strings.Replace(header, "%s", "73", 1), "07c0", "0120", 1)+
		"02 75 00 2700 0000"+"04 ff 00 0000 0000 0100 0500 00"+hex.EncodeToString([]byte(`\\h\s`+"\x00")))
	for _, c := range []struct {
		b    []byte
		want string
	}{{ascii, `\\10.0.0.1\IPC$`}, {wide, `\\h\s`}, {chained, `\\h\s`}} {
		h, _ := ParseHeader(c.b)
		path, ok := TreePath(c.b, &h)
		if have := Text(path, h.Unicode()); !ok || have != c.want {
			t.Errorf("path %q, %v, want %q", have, ok, c.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		b    string
		wide bool
		want string
	}{
		{"Windows 7", false, "Windows 7"},
		{"W\x00\xfc\x00r\x00", true, "Wür"},
		{"caf\x82\x1b[31m", false, "caf\ufffd\ufffd[31m"},
		{"\x3d\xd8\x00\xde", true, "😀"},
		{"\x3d\xd8a\x00", true, "\ufffda"},
		{"a\x00\x2e\x20", true, "a\ufffd"}, // turns the direction of writing
		{"a\x00b", true, "a\ufffd"},
		{"", true, ""},
	} {
		if have := Text([]byte(c.b), c.wide); have != c.want {
			t.Errorf("%q: %q, want %q", c.b, have, c.want)
		}
	}
}

func TestCompressed(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want bool
	}{
		{"fc534d42 ffffffff 0100 0000 10000000", true},
		{"fc534d42 10000000 0100 0000 ffffffff", true},
		{"fc534d42 00100000 0100 0000 00000000", false},
		{"fc534d42 ffffffff 0100 0000 00000000", false},
	} {
		h, ok := ParseCompressed(unhex(t, c.hex))
		if !ok || h.Overflows() != c.want {
			t.Errorf("%s: %+v, %v", c.hex, h, ok)
		}
	}
}

// TestFarOffsets has offsets beyond the message, also those that an int of 32 bits
// does not hold.
func TestFarOffsets(t *testing.T) {
	reply := smb2Message(make([]byte, 80))
	le := binary.LittleEndian
	le.PutUint16(reply[64:], 65)
	le.PutUint16(reply[68:], 0x0311)
	le.PutUint16(reply[70:], 1)
	challenge := append([]byte("NTLMSSP\x00\x02\x00\x00\x00"), make([]byte, 60)...)
	le.PutUint16(challenge[40:], 8)
	for _, off := range []uint32{200, math.MaxInt32 - 7, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 4, math.MaxUint32} {
		le.PutUint32(reply[124:], off)
		if n, ok := ParseNegotiate2(reply); !ok || n.Dialect != 0x0311 || n.Compression {
			t.Errorf("contexts at %d: %+v, %v", off, n, ok)
		}
		le.PutUint32(challenge[44:], off)
		if c, ok := FindChallenge(challenge); !ok || c.Computer != nil || c.Domain != nil || c.DNSName != nil {
			t.Errorf("target information at %d: %+v, %v", off, c, ok)
		}
	}
}

// FuzzParsers: no message makes a parser panic, and what they return lies in it.
func FuzzParsers(f *testing.F) {
	f.Add(unhex(f, strings.Replace(header, "%s", "32", 1)+pingText))
	f.Add(smb2Message(make([]byte, 80)))
	f.Add(append([]byte("NTLMSSP\x00\x02\x00\x00\x00"), make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		within := func(part []byte) {
			if len(part) > len(b) {
				t.Fatalf("%d bytes of %d", len(part), len(b))
			}
			Text(part, true)
		}
		ParseTrans(b)
		ParseSecondary(b)
		ParseNTSecondary(b)
		ParseNTTrans(b)
		ParseWriteAndX(b)
		ParseCompressed(b)
		NegotiateDialect(b)
		if h, ok := ParseHeader(b); ok {
			if s, ok := ParseSessionSetup(b, &h); ok {
				within(s.Blob)
				for part, more := NextString(&s.Strings, h.Unicode()); more; part, more = NextString(&s.Strings, h.Unicode()) {
					within(part)
				}
			}
			path, _ := TreePath(b, &h)
			within(path)
			n, _ := ParseNegotiate(b)
			within(n.GUID)
			within(n.Names)
		}
		if _, ok := ParseHeader2(b); ok {
			ParseNegotiate2(b)
			blob, _ := SessionSetup2(b)
			within(blob)
		}
		if c, ok := FindChallenge(b); ok {
			within(c.Computer)
		}
	})
}
