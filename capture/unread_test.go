package capture_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/capture"
)

// TestOpenErrors checks the whole text of each error of Open: what the file is, and what
// to do.
func TestOpenErrors(t *testing.T) {
	p := plainPcap(1, 60, 1e6, 1)
	dir := write(t, map[string][]byte{
		"good": p, "zip": []byte("PK\x03\x04\x14\x00"), "empty": nil, "short": p[:20], "text": []byte("hello\n"),
		"snoop": []byte("snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04"), "one byte": {0xd4},
		"erf":   {0, 0, 0, 0, 0, 0x10, 0x5e, 0x5f, 2, 4, 0, 0x50, 0, 0, 0, 0x3c},
		"tar":   append(append([]byte{0xff}, make([]byte, 256)...), "ustar\x00"...),
		"twice": pack1(pack1(p)), "packed text": pack1([]byte("hello\n")), "packed nothing": pack1(nil),
		"bad gzip": {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, "cut gzip": {0x1f, 0x8b, 8, 0},
		"version": damage(p, 4, 7), "ng version": damage(pcapngSample(0).data, 12, 0, 9),
		"ng mark": damage(pcapngSample(0).data, 8, 0), "ng length": damage(pcapngSample(0).data, 4, 0xff),
		"ng end": damage(pcapngSample(0).data, 24, 9), "ng short": pcapngSample(0).data[:20],
		"folder/a.txt": []byte("hello\n"), "folder/b": nil, "nested/x/y": nil,
		"damaged/a": []byte("hello\n"), "damaged/b": {0x1f, 0x8b, 8, 0},
	})
	if err := os.Mkdir(filepath.Join(dir, "bare"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "linked"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"a", "b"} {
		if err := os.Symlink(filepath.Join(dir, "text"), filepath.Join(dir, "linked", link)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ paths, want string }{
		{"", "no captures are named"},
		{"- -", "standard input is named twice"},
		{"missing", "open missing: no such file or directory"},
		{"good zip", "zip: is no capture: begins with 50 4b 03 04 (a zip archive; unpack it first)"},
		{"empty", "empty: is no capture: it is empty"},
		{"-", "standard input: is no capture: it is empty"},
		{"one_byte", "one byte: is no capture: begins with d4"},
		{"short", "short: is no capture: the pcap header is cut short: 20 of 24 bytes"},
		{"text", "text: is no capture: begins with 68 65 6c 6c (text)"},
		{"snoop", "snoop: is no capture: begins with 73 6e 6f 6f (a snoop capture; convert it to pcapng, with editcap for instance)"},
		{"erf", "erf: is no capture: begins with 00 00 00 00 (perhaps an Endace ERF capture; convert it to pcapng, with editcap for instance)"},
		{"tar", "tar: is no capture: begins with ff 00 00 00 (a tar archive; unpack it first)"},
		{"twice", "twice: is packed twice (gzip in gzip); unpack it first"},
		{"packed_text", "packed text: is no capture: begins with 68 65 6c 6c (text)"},
		{"packed_nothing", "packed nothing: is no capture: it is empty"},
		{"bad_gzip", "bad gzip: the gzip data are damaged or cut short: flate: corrupt input before offset 1"},
		{"cut_gzip", "cut gzip: the gzip data are damaged or cut short: unexpected EOF"},
		{"version", "version: is a pcap file of version 7.4, which is not known"},
		{"ng_version", "ng version: is a pcapng file of version 9.0, which is not known"},
		{"ng_mark", "ng mark: is no capture: begins as pcapng does, but with a section header without a byte order mark"},
		{"ng_length", "ng length: is no capture: begins as pcapng does, but with a block of type 168627466 and 4278190108 bytes"},
		{"ng_end", "ng end: is no capture: begins as pcapng does, but with a section header of 28 bytes that ends as one of 150994972"},
		{"ng_short", "ng short: is no capture: the pcapng header is cut short: 20 of 28 bytes"},
		{"folder", "folder: a folder without captures; of 2 other files the first: folder/a.txt: is no capture: begins with 68 65 6c 6c (text)"},
		{"nested", "nested: a folder without captures; its only file: nested/x/y: is no capture: it is empty"},
		{"damaged", "damaged: no capture in the folder can be read; the first: damaged/b: the gzip data are damaged or cut short: unexpected EOF"},
		{"bare", "bare: a folder without captures"},
		{"linked", "linked: a folder without captures; its only file: linked/a: is no capture: begins with 68 65 6c 6c (text)"},
	}
	t.Chdir(dir)
	for _, tt := range tests {
		var paths []string
		for path := range strings.FieldsSeq(tt.paths) {
			paths = append(paths, strings.ReplaceAll(path, "_", " "))
		}
		_, err := capture.Open(paths, strings.NewReader(""))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: error is\n%v, want\n%s", tt.paths, err, tt.want)
		}
	}
}

// A brokenReader fails after its data.
type brokenReader struct {
	io.Reader
	err error
}

func (b *brokenReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

// TestReadError tells an error of the disk from the end of a file.
func TestReadError(t *testing.T) {
	data := plainPcap(100, 60, 1e6, 1)[:24+50*76+30]
	broken := &fs.PathError{Op: "read", Path: "x", Err: errors.New("input/output error")}
	r, err := capture.Open([]string{"-"}, &brokenReader{bytes.NewReader(data), broken})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var f capture.Frame
	readOn(t, r, &f, 50)
	for range 2 {
		if err := r.Next(&f); err == nil || err.Error() != "standard input: offset 3824: input/output error" {
			t.Errorf("error is %v", err)
		}
	}
	if _, err := capture.Open([]string{"-"}, &brokenReader{bytes.NewReader(data[:10]), broken}); err == nil ||
		err.Error() != "standard input: input/output error" {
		t.Errorf("error is %v", err)
	}
	if _, err := capture.Open([]string{"-"}, stuckReader{}); err == nil || !strings.Contains(err.Error(), "multiple Read calls return no data") {
		t.Errorf("error is %v", err)
	}
}

// TestReadErrorOfOne reads on in the other files.
func TestReadErrorOfOne(t *testing.T) {
	path := filepath.Join(write(t, map[string][]byte{"x": plainPcap(20, 60, 1e6+50, 100)}), "x")
	broken := &fs.PathError{Op: "read", Path: "x", Err: errors.New("input/output error")}
	r, err := capture.Open([]string{"-", path}, &brokenReader{bytes.NewReader(plainPcap(5, 60, 1e6, 100)), broken})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var f capture.Frame
	readOn(t, r, &f, 25)
	if err := r.Next(&f); err == nil || err.Error() != "standard input: offset 404: input/output error" {
		t.Errorf("error is %v", err)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

// TestVanished has files that go away before their turn: the others are read, and
// the end says what was not.
func TestVanished(t *testing.T) {
	for name, tt := range map[string]struct {
		gone   []string
		frames int
		more   string
	}{
		"last":  {[]string{"3"}, 20, ""},
		"first": {[]string{"2"}, 20, ""},
		"two":   {[]string{"2", "3"}, 10, "; and 1 more could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string][]byte{"1": plainPcap(10, 60, 1e6, 1), "2": plainPcap(10, 60, 2e6, 1), "3": plainPcap(10, 60, 3e6, 1)})
			r, err := capture.Open([]string{dir}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for _, gone := range tt.gone {
				if err := os.Remove(filepath.Join(dir, gone)); err != nil {
					t.Fatal(err)
				}
			}
			var f capture.Frame
			readOn(t, r, &f, tt.frames)
			for range 2 {
				want := "open " + filepath.Join(dir, tt.gone[0]) + ": no such file or directory" + tt.more
				if err := r.Next(&f); err == nil || err.Error() != want {
					t.Errorf("error is %v, want %s", err, want)
				}
			}
		})
	}
}
