package smb1

import (
	"slices"
	"testing"
)

// TestGapInWhatIsHeld: bytes that begin like a message and are none hide no other
// that begins among them, whose end a loss leaves known: wherever the segments are
// cut, what follows it is found.
func TestGapInWhatIsHeld(t *testing.T) {
	junk := append([]byte("\x00\x00\x00\xff\xfeSMB"), make([]byte, 7)...)
	hidden := frame(smb1Message(0x2E, 1, nil, make([]byte, 5000)))
	all := slices.Concat(junk, hidden, frame(smb1Message(0x25, 2, nil, nil)))
	seen := probe // so that nothing is left but the part of a message
	for first := range seen {
		f := NewFramer(NewPool(1))
		var mids []uint16
		feed := func(b []byte) {
			for m, ok := f.Next(&b); ok; m, ok = f.Next(&b) {
				if h, is := ParseHeader(m.Data); is {
					mids = append(mids, h.MID)
				}
			}
		}
		feed(all[:first])
		feed(all[first:seen])
		f.Gap(1000)
		feed(all[seen+1000:])
		if !slices.Equal(mids, []uint16{2}) {
			t.Errorf("cut behind %d bytes: messages %v, want the one behind the loss", first, mids)
		}
	}
}

// BenchmarkZeros searches what many files hold. Where the segment before it ends like
// the beginning of a message, what is kept of that must not slow the search.
func BenchmarkZeros(b *testing.B) {
	f := NewFramer(NewPool(1))
	segment := make([]byte, 1460)
	b.SetBytes(int64(len(segment)))
	b.ReportAllocs()
	for b.Loop() {
		rest := segment
		if _, ok := f.Next(&rest); ok || len(rest) > 0 {
			b.Fatal("a message of zeros")
		}
	}
}
