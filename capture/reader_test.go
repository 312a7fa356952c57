package capture_test

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormscope/capture"
)

// write writes files below a new folder and returns it.
func write(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMerge compares the order of frames of many files with a slow model: the
// first of all that are left, again and again.
func TestMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		files := map[string][]byte{}
		var each [][]record
		total := 0
		for i := range 1 + rng.IntN(40) {
			w, ng := newPcapWriter(binary.LittleEndian, 0xa1b2c3d4, 1, 4), &ngWriter{}
			ng.section()
			ng.iface(1, 0, nil)
			at := uint32(1000 + rng.IntN(300))
			var records []record
			for j := range rng.IntN(30) {
				// Times go back at times, and are the same in several files.
				at += uint32(rng.IntN(8)) - 1
				data := []byte{byte(round), byte(i), byte(j)}
				w.record(at, 0, data, 3)
				ng.enhanced(0, uint64(at)*1e6, data, 3, nil)
				records = append(records, record{int64(at) * 1e9, string(data), 3, 1, i, uint64(j + 1)})
			}
			file := w.Bytes()
			if rng.IntN(2) == 0 {
				file = ng.Bytes()
			}
			files[string([]rune{'a' + rune(i/26), 'a' + rune(i%26)})] = file
			each = append(each, records)
			total += len(records)
		}
		var want []record
		for range total {
			best := -1
			for i, records := range each {
				if len(records) > 0 && (best < 0 || records[0].time < each[best][0].time) {
					best = i
				}
			}
			want = append(want, each[best][0])
			each[best] = each[best][1:]
		}
		got, stats := readFiles(t, write(t, files))
		if !slices.Equal(got, want) || len(stats.Warnings) > 0 {
			t.Fatalf("round %d: order differs, %q", round, texts(stats))
		}
	}
}

// TestMergeOfOrderedFiles says the same in another way: files in order make a
// sequence in order.
func TestMergeOfOrderedFiles(t *testing.T) {
	dir := write(t, map[string][]byte{
		"1": plainPcap(500, 60, 1_000_000, 7), "2": plainPcap(500, 60, 1_000_500, 11), "3": plainPcap(500, 60, 900_000, 1),
	})
	got, _ := readFiles(t, dir)
	inOrder := slices.IsSortedFunc(got, func(a, b record) int { return cmp.Compare(a.time, b.time) })
	if len(got) != 1500 || !inOrder {
		t.Errorf("%d frames, in order: %v", len(got), inOrder)
	}
}

// TestLongRow reads many files that follow each other, and has few of them
// open at a time.
func TestLongRow(t *testing.T) {
	files := map[string][]byte{}
	for i := range 300 {
		files["row/"+string([]rune{'a' + rune(i/26), 'a' + rune(i%26)})] = plainPcap(3, 60, int64(i)*1e6, 1000)
	}
	r, err := capture.Open([]string{write(t, files)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var f capture.Frame
	last, most, frames := int64(-1), 0, 0
	for r.Next(&f) == nil {
		if f.Time < last {
			t.Fatalf("time goes back at frame %d of %s", f.Number, r.Name(f.File))
		}
		last = f.Time
		frames++
		if open, err := os.ReadDir("/proc/self/fd"); err == nil {
			most = max(most, len(open))
		}
	}
	if frames != 900 || most > 30 {
		t.Errorf("%d frames, up to %d descriptors", frames, most)
	}
}

// TestFolder reads a folder with captures, links and other files: each capture once, and
// a warning about all else.
func TestFolder(t *testing.T) {
	p := plainPcap(1, 60, 1e6, 1)
	dir := write(t, map[string][]byte{
		"b/2.pcap": p, "a/1.pcap": plainPcap(1, 61, 1e6, 1), "notes.txt": []byte("Text that is no capture"), "z/empty": nil,
		"c.pcap.gz": pack1(plainPcap(1, 62, 1e6, 1)), "header only": plainPcap(0, 0, 0, 0),
	})
	if err := os.Symlink(filepath.Join(dir, "b", "2.pcap"), filepath.Join(dir, "latest")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	r, err := capture.Open([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	framesBelow(t, r, dir, "a/1.pcap", "b/2.pcap", "c.pcap.gz")
	warnings := strings.ReplaceAll(strings.Join(texts(r.Stats()), "\n"), dir, "DIR")
	want := "DIR/dangling: no such file or directory; left out\n" +
		"DIR/latest: the same file as another one; read once\n" +
		"DIR: 2 files are no captures and left out, the first: DIR/notes.txt: is no capture: begins with 54 65 78 74 (text)"
	if warnings != want {
		t.Errorf("warnings are\n%s", warnings)
	}
	if r.Name(-1) != "" || r.Name(99) != "" {
		t.Error("a file that is not there has a name")
	}
}

// framesBelow checks of which files below a folder the frames are, one after another.
func framesBelow(t *testing.T, r *capture.Reader, dir string, want ...string) {
	t.Helper()
	var names []string
	for _, f := range drain(t, r) {
		names = append(names, strings.TrimPrefix(r.Name(f.file), dir+"/"))
	}
	if !slices.Equal(names, want) {
		t.Errorf("frames of %q, want %q", names, want)
	}
}

// TestLinkedFolders has a folder that is named by a link and has links to
// another folder, to itself, and to a device.
func TestLinkedFolders(t *testing.T) {
	dir := write(t, map[string][]byte{"real/b.pcap": plainPcap(1, 60, 1e6, 1), "other/a.pcap": plainPcap(1, 61, 1e6, 1)})
	for link, to := range map[string]string{"root": "real", "real/linked": "../other", "real/self": ".", "real/null": os.DevNull} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := capture.Open([]string{filepath.Join(dir, "root")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	framesBelow(t, r, dir, "root/b.pcap", "root/linked/a.pcap")
	warnings := strings.ReplaceAll(strings.Join(texts(r.Stats()), "\n"), dir, "DIR")
	if want := "DIR/root/null: not a regular file; left out\nDIR/root/self: the same folder as another one; read once"; warnings != want {
		t.Errorf("warnings are\n%s", warnings)
	}
}

// TestSlowPipe has a stream that comes byte by byte, among other files.
func TestSlowPipe(t *testing.T) {
	in, out := io.Pipe()
	go func() {
		for _, b := range plainPcap(20, 60, 1e6, 100) {
			out.Write([]byte{b})
		}
		out.Close()
	}()
	path := filepath.Join(write(t, map[string][]byte{"x": plainPcap(20, 60, 1e6+50, 100)}), "x")
	r, err := capture.Open([]string{"-", path}, in)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, f := range drain(t, r) {
		if f.file != i%2 || f.number != uint64(i/2+1) {
			t.Fatalf("frame %d is number %d of file %d", i, f.number, f.file)
		}
	}
	if r.Name(0) != "-" || r.Size() != 0 {
		t.Errorf("name %q, size %d", r.Name(0), r.Size())
	}
}

func TestRedirectedInput(t *testing.T) {
	data := plainPcap(20, 60, 1e6, 100)
	in, err := os.Open(filepath.Join(write(t, map[string][]byte{"x": data}), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := capture.Open([]string{"-"}, in)
	if err != nil {
		t.Fatal(err)
	}
	drain(t, r)
	if r.Size() != int64(len(data)) || r.Consumed() != r.Size() {
		t.Errorf("size %d, consumed %d", r.Size(), r.Consumed())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		t.Errorf("standard input was closed: %v", err)
	}
	if err := r.Next(new(capture.Frame)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"pcap":        {"a": plainPcap(100_000, 125, 1e6, 1)},
		"pcapng":      {"a": plainPcapng(100_000, 125)},
		"interleaved": {"a": plainPcap(50_000, 125, 1e6, 2), "b": plainPcap(50_000, 125, 1e6+1, 2)},
	} {
		r, err := capture.Open([]string{write(t, files)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var f capture.Frame
		if n := testing.AllocsPerRun(10_000, func() {
			for range 9 {
				if err := r.Next(&f); err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations in 9 frames", name, n)
		}
		r.Close()
	}
}
