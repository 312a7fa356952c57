//go:build linux

package ring

import (
	"encoding/binary"
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
	var w walk
	w.begin(whole())
	var f capture.Frame
	for i, length := range []int{64, 60} {
		at, ok := w.time()
		if !ok || at != 1e9+int64(i) || !w.next(&f) || len(f.Data) != length || f.Len != length {
			t.Errorf("frame %d: %d of %d bytes at %d", i, len(f.Data), f.Len, at)
		}
	}
	if w.left != 0 {
		t.Errorf("%d frames left", w.left)
	}
}

// Whatever is in a block, the walk stays inside and ends.
func FuzzWalk(f *testing.F) {
	f.Add(whole(), false)
	f.Add(whole(), true)
	f.Fuzz(func(t *testing.T, block []byte, cooked bool) {
		if len(block) < blockHeader {
			return
		}
		w := walk{cooked: cooked}
		w.begin(block)
		var frame capture.Frame
		for range block {
			if w.left == 0 {
				return
			}
			if _, ok := w.time(); !ok {
				return
			}
			if !w.next(&frame) {
				return
			}
			if frame.Len < 0 || cap(frame.Data) > len(block) {
				t.Fatalf("%d bytes captured of %d", len(frame.Data), frame.Len)
			}
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	block := whole()
	var w walk
	var f capture.Frame
	b.ReportAllocs()
	for b.Loop() {
		w.begin(block)
		for w.left > 0 {
			if _, ok := w.time(); !ok || !w.next(&f) {
				b.Fatal("the block makes no sense")
			}
		}
	}
}
