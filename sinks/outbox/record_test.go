package outbox

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"wormscope/sinks/event"
)

// TestTornTail: a log that ends anywhere within what was written last has
// everything before, whole groups only, and goes on from there.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	a := &recorder{}
	box := begin(t, Options{Dir: dir}, Receiver{Name: "a", Sink: a})
	for i := 1; i <= 10; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	must(t, box.Sync())
	before := box.Stats().Bytes
	box.Append([]event.Event{numbered(11), numbered(12), numbered(13)})
	must(t, box.Close())
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	whole, err := os.ReadFile(logs[0])
	must(t, err)
	name := filepath.Base(logs[0])
	for size := before; size <= int64(len(whole)); size++ {
		for _, garbage := range [][]byte{nil, make([]byte, 100), bytes.Repeat([]byte{0xa5}, 100)} {
			torn := newMemory()
			f, _ := torn.create(name)
			_, _ = f.Write(append(bytes.Clone(whole[:size]), garbage...))
			kept := 10
			if size == int64(len(whole)) {
				kept = 13
			}
			b, err := Open(Options{medium: torn})
			must(t, err)
			n := 0
			must(t, b.Recover(0, func(uint64, *event.Event) error { n++; return nil }))
			if n != kept || b.Position() != uint64(kept) {
				t.Fatalf("%d of %d bytes: %d events", size, len(whole), n)
			}
			if size%97 != 0 { // the rest takes longer and is the same each time
				continue
			}
			r := &recorder{}
			must(t, b.Start([]Receiver{{Name: "r", Sink: r}}))
			b.Append([]event.Event{numbered(kept + 1)})
			drain(t, b)
			must(t, b.Close())
			check(t, "after the cut", r.numbers(), kept+1)
		}
	}
}

// TestDamagedRecord: a record that is damaged costs itself alone, wherever the
// damage is, and is told of.
func TestDamagedRecord(t *testing.T) {
	dir := t.TempDir()
	a := &recorder{instead: nil}
	box := begin(t, Options{Dir: dir, segmentSize: 4000}, Receiver{Name: "a", Sink: a})
	const n = 100
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
		must(t, box.Sync())
	}
	drain(t, box)
	must(t, box.Close())
	// Everything but the last segment is gone by now: it is all that is tested.
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	whole, err := os.ReadFile(logs[len(logs)-1])
	must(t, err)
	first, size, err := parse(whole)
	must(t, err)
	rest := 0
	for b := whole[size:]; len(b) > 0; rest++ {
		_, n, err := parse(b)
		must(t, err)
		b = b[n:]
	}
	if rest < 3 {
		t.Fatalf("%d records", rest+1)
	}
	for _, tt := range []struct{ at, want int }{{headSize + 5, rest}, {10, rest}, {20, rest}, {0, rest}, {2, rest}, {size + 3, rest}} {
		spoilt := bytes.Clone(whole)
		spoilt[tt.at] ^= 0x40
		torn := t.TempDir()
		must(t, os.WriteFile(filepath.Join(torn, filepath.Base(logs[len(logs)-1])), spoilt, 0o600))
		var told heard
		b, err := Open(Options{Dir: torn, Warn: told.warn})
		must(t, err)
		got := 0
		must(t, b.Recover(first.position-1, func(uint64, *event.Event) error { got++; return nil }))
		if got != tt.want {
			t.Errorf("byte %d: %d events, want %d", tt.at, got, tt.want)
		}
		if b.Stats().Damaged != 1 || !told.has("is damaged in 1 place") {
			t.Errorf("byte %d: %+v, warnings %q", tt.at, b.Stats(), told.said())
		}
		r := &recorder{}
		must(t, b.Start([]Receiver{{Name: "r", Sink: r}}))
		drain(t, b)
		must(t, b.Close())
		if len(r.numbers()) != tt.want {
			t.Errorf("byte %d: %d events were delivered, want %d", tt.at, len(r.numbers()), tt.want)
		}
	}
}

// FuzzRecords: no bytes make the reader of records panic, loop or take for
// whole what is not, and what it takes it would write the same.
func FuzzRecords(f *testing.F) {
	one := (&record{position: 1, seconds: 5, severity: 75, event: []byte("\x01{}")}).append(nil)
	two := (&record{position: 2, seconds: 5, more: true, event: []byte("\x01{\"a\":1}")}).append(bytes.Clone(one))
	f.Add(one)
	f.Add(two)
	f.Add(append(bytes.Clone(two), one[:10]...))
	f.Add(append(make([]byte, 50), one...))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(memoryFile)
		_, _ = m.Write(b)
		end, again := int64(0), []byte(nil)
		damaged, err := walk(m, int64(len(b)), func(r *record, at int64) error {
			if at <= end || at > int64(len(b)) {
				t.Fatalf("offset %d after %d", at, end)
			}
			again = r.append(again[:0])
			if from := at - int64(len(again)); from < end || !bytes.Equal(again, b[from:at]) {
				t.Fatalf("%x was read as %x", b[end:at], again)
			}
			end = at
			return nil
		})
		if err != nil || damaged > len(b)/headSize {
			t.Fatalf("%d damaged, %v", damaged, err)
		}
	})
}

// TestMemoryFile: a file in memory gives back what was written, whatever the
// pieces.
func TestMemoryFile(t *testing.T) {
	m := new(memoryFile)
	var want []byte
	for i := range 300 {
		piece := bytes.Repeat([]byte{byte(i)}, i*37%9000)
		_, _ = m.Write(piece)
		want = append(want, piece...)
	}
	if size, _ := m.Size(); size != int64(len(want)) || size < 3*chunk {
		t.Fatalf("%d bytes, want %d", size, len(want))
	}
	got := make([]byte, len(want))
	for offset := 0; offset < len(want); offset += 7919 {
		n, err := m.ReadAt(got[:10_000], int64(offset))
		if !bytes.Equal(got[:n], want[offset:min(offset+10_000, len(want))]) {
			t.Fatalf("at %d", offset)
		}
		if (n < 10_000) != errors.Is(err, io.EOF) {
			t.Fatalf("%d bytes at %d: %v", n, offset, err)
		}
	}
}
