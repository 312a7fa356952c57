//go:build linux

package ring

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"testing"

	"wormscope/capture"
)

// whole is a block with one tagged frame and one without a tag.
func whole() []byte {
	b := make([]byte, 512)
	binary.NativeEndian.PutUint32(b[blockPackets:], 2)
	binary.NativeEndian.PutUint32(b[blockFirst:], blockHeader)
	for i, off := range []int{blockHeader, 256} {
		h := b[off:]
		binary.NativeEndian.PutUint32(h[frameNext:], 256-blockHeader)
		binary.NativeEndian.PutUint32(h[frameSec:], 1)
		binary.NativeEndian.PutUint32(h[frameNsec:], uint32(i))
		binary.NativeEndian.PutUint32(h[frameCaptured:], 60)
		binary.NativeEndian.PutUint32(h[frameLen:], 60)
		binary.NativeEndian.PutUint16(h[frameMAC:], 82)
		binary.NativeEndian.PutUint32(h[frameTCI:], 100)
		binary.NativeEndian.PutUint32(h[frameStatus:], uint32(1-i)<<4)
	}
	return b
}

func TestWalk(t *testing.T) {
	for _, run := range []int{1, 2, 32} {
		frames := walkAll(&walk{}, whole(), run)
		if len(frames) != 2 {
			t.Fatalf("%d frames in runs of %d", len(frames), run)
		}
		for i, length := range []int{64, 60} {
			f := &frames[i]
			if f.Time != 1e9+int64(i) || len(f.Data) != length || f.Len != length || f.Number != uint64(i+1) {
				t.Errorf("frame %d: %d of %d bytes at %d, number %d", i, len(f.Data), f.Len, f.Time, f.Number)
			}
		}
	}
}

// A frame that is later than is asked for waits, and so does all behind it.
func TestWalkUntil(t *testing.T) {
	var w walk
	w.begin(whole())
	var run capture.Run
	for _, want := range []struct {
		until int64
		n     int
	}{{0, 0}, {1e9, 1}, {1e9, 0}, {1e9 + 1, 1}, {2e9, 0}} {
		if w.more(&run, 4, want.until); run.N != want.n {
			t.Errorf("%d frames until %d, want %d", run.N, want.until, want.n)
		}
	}
}

// walkAll takes all frames of a block, up to so many at a time: where it has no
// end, as many as it has bytes.
func walkAll(w *walk, block []byte, run int) []capture.Frame {
	var all []capture.Frame
	var r capture.Run
	w.begin(block)
	for {
		w.more(&r, min(run, len(block)-len(all)), math.MaxInt64)
		if r.N == 0 {
			return all
		}
		for i := range r.N {
			var f capture.Frame
			r.Frame(i, &f)
			all = append(all, f)
		}
	}
}

// Whatever is in a block, the walk stays inside and ends, and runs give what
// single frames do.
func FuzzWalk(f *testing.F) {
	f.Add(whole(), false)
	f.Add(whole(), true)
	f.Fuzz(func(t *testing.T, block []byte, cooked bool) {
		if len(block) < blockHeader {
			return
		}
		single, runs := walk{cooked: cooked}, walk{cooked: cooked}
		want, got := walkAll(&single, bytes.Clone(block), 1), walkAll(&runs, block, 7)
		for i := range want {
			if want[i].Len < 0 || cap(want[i].Data) > len(block) {
				t.Fatalf("%d bytes captured of %d", len(want[i].Data), want[i].Len)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("in runs %v, one by one %v", got, want)
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	block := whole()
	var w walk
	var run capture.Run
	b.ReportAllocs()
	for b.Loop() {
		w.begin(block)
		if w.more(&run, 32, math.MaxInt64); run.N != 2 {
			b.Fatal("the block makes no sense")
		}
	}
}
