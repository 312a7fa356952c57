package smb1

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// got is a message with its own copy of the data.
type got struct {
	data   string
	length int
}

// collect gives a stream to a new Framer in chunks of the sizes that next
// returns, with the gaps that it asks for before them.
func collect(stream []byte, next func() (chunk, gap int)) []got {
	pool := NewPool(4)
	f := NewFramer(pool)
	var all []got
	keep := func(m Message, ok bool) {
		if ok {
			all = append(all, got{string(m.Data), m.Length})
		}
	}
	for len(stream) > 0 {
		n, gap := next()
		if gap > 0 {
			keep(f.Gap(gap))
		}
		b := stream[:min(n, len(stream))]
		stream = stream[len(b):]
		for m, ok := f.Next(&b); ok; m, ok = f.Next(&b) {
			keep(m, ok)
		}
	}
	keep(f.Gap(0))
	f.Close()
	if pool.Stats.NoBuffer != 0 {
		panic("one stream needs more than one buffer")
	}
	return all
}

// whole gives a stream in one chunk.
func whole(b []byte) []got { return collect(b, func() (int, int) { return len(b), 0 }) }

// frame puts a NetBIOS header before a message.
func frame(m []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...)
}

// smb1Message makes an SMB1 message with these words and bytes.
func smb1Message(c Command, mid uint16, words, data []byte) []byte {
	b := make([]byte, HeaderSize, HeaderSize+3+len(words)+len(data))
	copy(b, "\xffSMB")
	b[4] = byte(c)
	binary.LittleEndian.PutUint16(b[30:], mid)
	b = append(b, byte(len(words)/2))
	b = append(b, words...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// smb2Message makes an SMB2 message with this body.
func smb2Message(body []byte) []byte {
	b := make([]byte, Header2Size, Header2Size+len(body))
	copy(b, "\xfeSMB\x40\x00")
	return append(b, body...)
}

// stream makes a stream of messages of all sizes, and some bytes that are none.
func stream(rnd *rand.Rand, junk bool) []byte {
	var b []byte
	for range 1 + rnd.IntN(12) {
		body := make([]byte, rnd.IntN(10)*rnd.IntN(10)*rnd.IntN(40))
		for i := range body {
			body[i] = "\x00\x00\xff\xfeSMB\x01\x40"[rnd.IntN(9)]
		}
		switch rnd.IntN(8) {
		case 0:
			b = append(b, frame(smb2Message(body))...)
		case 1:
			b = append(b, 0x85, 0, 0, 0)
		case 2:
			b = append(b, frame(append([]byte("\xfcSMB"), append(make([]byte, 12), body...)...))...)
		case 3:
			if junk {
				b = append(b, body...)
			}
		default:
			b = append(b, frame(smb1Message(Command(rnd.IntN(256)), uint16(rnd.IntN(9)), make([]byte, 2*rnd.IntN(20)), body))...)
		}
	}
	return b
}

// model cuts a whole stream into messages, slowly: what a Framer must give.
func model(b []byte) []got {
	var all []got
	for state := fresh; len(b) > 0; {
		if state == hunting && !begins(b) {
			b = b[1:]
			continue
		}
		if len(b) < 4 {
			return all // it cannot be told
		}
		total := 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		ok, message := valid(b, total, state != synced)
		if !ok {
			state = hunting
			b = b[1:]
			continue
		}
		if message && state != hunting {
			all = append(all, got{string(b[4:min(total, 4+MaxHead, len(b))]), total - 4})
		}
		if state == hunting {
			state = proving
		} else {
			state = synced
		}
		b = b[min(total, len(b)):]
	}
	return all
}

// begins reports whether a message may begin at b, as far as b goes.
func begins(b []byte) bool {
	if b[0] != 0 {
		return false
	}
	for i := 4; i < min(8, len(b)); i++ {
		if i == 4 && b[4] < 0xFE || i > 4 && b[i] != "SMB"[i-5] {
			return false
		}
	}
	return true
}

// valid reports whether a packet begins at b, of which at least its NetBIOS
// header is there, and whether it is a message.
func valid(b []byte, total int, strict bool) (ok, message bool) {
	switch {
	case b[0] != 0:
		return b[0] >= 0x81 && b[0] <= 0x85 && total <= 260, false
	case total == 4:
		return !strict, false
	case total < 8 || string(b[5:8]) != "SMB" || b[4] < 0xFC:
		return false, false
	case !strict:
		return true, true
	}
	switch b[4] {
	case 0xFF:
		return total >= 39 && len(b) >= 37 && 4+33+2*int(b[36])+2 <= total, true
	case 0xFE:
		return total >= 68 && len(b) >= 10 && b[8] == 64 && b[9] == 0, true
	case 0xFD:
		return total >= 56, true
	default:
		return total >= 20, true
	}
}

// TestModel compares the Framer with the model on streams that end with a
// whole message, where the model needs no care for what is not complete.
func TestModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 5_000 {
		b := append(stream(rnd, true), frame(smb1Message(0x72, 1, nil, nil))...)
		b = append(b, frame(smb1Message(0x73, 2, nil, nil))...)
		b = append(b, frame(smb1Message(0x74, 3, nil, nil))...)
		if have, want := whole(b), model(b); !slices.Equal(have, want) {
			t.Fatalf("stream %d:\n%q\n%d messages, model %d", i, b, len(have), len(want))
		}
	}
}

// TestWellFormed gives streams of messages and nothing else: all are found.
func TestWellFormed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		b := append(frame(smb1Message(0x72, 1, nil, nil)), stream(rnd, false)...)
		n := 0
		for rest := b; len(rest) > 0; {
			total := 4 + int(binary.BigEndian.Uint32(rest)&0xFFFFFF)
			if rest[0] == 0 {
				n++
			}
			rest = rest[total:]
		}
		if have := whole(b); len(have) != n {
			t.Fatalf("%d of %d messages in %q", len(have), n, b)
		}
	}
}

// FuzzChunks: the same bytes, with the same losses, give the same messages in
// any chunks.
func FuzzChunks(f *testing.F) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		cuts := make([]byte, 20)
		for i := range cuts {
			cuts[i] = byte(rnd.IntN(256))
		}
		f.Add(stream(rnd, true), cuts, uint16(rnd.IntN(3000)))
	}
	f.Fuzz(func(t *testing.T, b, cuts []byte, gap uint16) {
		if len(b) == 0 || len(cuts) == 0 {
			return
		}
		checkChunks(t, b, cuts, int(gap))
	})
}

// checkChunks cuts b into pieces with losses between them, and gives the
// pieces whole, byte by byte, and in chunks.
func checkChunks(t *testing.T, b, cuts []byte, gap int) {
	t.Helper()
	const scale = 9 // pieces of up to 2295 bytes
	pieces := func(size func(i int) int) func() (int, int) {
		i, left, first := -1, 0, true
		return func() (int, int) {
			lost := 0
			for left == 0 {
				i++
				left = scale * int(cuts[i%len(cuts)])
				if left == 0 {
					left = 1
				}
				if !first {
					lost = gap
				}
				first = false
			}
			n := min(left, size(i))
			left -= n
			return n, lost
		}
	}
	want := collect(b, pieces(func(int) int { return 1 << 20 }))
	for name, size := range map[string]func(int) int{
		"byte by byte": func(int) int { return 1 },
		"by sevens":    func(int) int { return 7 },
		"by cuts":      func(i int) int { return 1 + int(cuts[(i*7+3)%len(cuts)]) },
	} {
		if have := collect(b, pieces(size)); !slices.Equal(have, want) {
			t.Fatalf("%s: %d messages, in whole pieces %d\n%q", name, len(have), len(want), b)
		}
	}
}

func TestChunks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	for range 2_000 {
		cuts := []byte{byte(rnd.IntN(256)), byte(rnd.IntN(20)), byte(rnd.IntN(256))}
		checkChunks(t, stream(rnd, rnd.IntN(2) == 0), cuts, rnd.IntN(2000)*rnd.IntN(2))
	}
}

// TestGap loses a known number of bytes in the middle of a message: the next
// one is found where it is due.
func TestGap(t *testing.T) {
	first := frame(smb1Message(0x2E, 1, nil, make([]byte, 5000)))
	second := frame(smb1Message(0x25, 2, nil, nil))
	for _, lost := range []struct{ from, to, want int }{
		{3000, 4000, 2},              // in what is skipped anyway
		{500, 4000, 2},               // in the head: the first is cut
		{3000, len(first), 2},        // to its end
		{3000, len(first) + 10, 1},   // and into the second, which is lost
		{0, len(first), 1},           // the first
		{6, len(first), 1},           // all but what says that it is one
		{60, len(first) - 1, 2},      // most of it
		{len(first) - 1, 6000, 1},    // the second
		{len(first), len(first), 2},  // nothing
		{2, len(first) + 3, 0},       // both: the third only shows where messages begin
		{40, len(first) + 10_000, 1}, // beyond the end
	} {
		all := slices.Concat(first, second, frame(smb1Message(0x26, 3, nil, nil)))
		to := min(lost.to, len(all))
		pool := NewPool(1)
		f := NewFramer(pool)
		var mids []uint16
		keep := func(m Message, ok bool) {
			if h, is := ParseHeader(m.Data); ok && is {
				mids = append(mids, h.MID)
			}
		}
		feed := func(b []byte) {
			for m, ok := f.Next(&b); ok; m, ok = f.Next(&b) {
				keep(m, ok)
			}
		}
		feed(all[:lost.from])
		if to > lost.from {
			keep(f.Gap(to - lost.from))
		}
		feed(all[to:])
		keep(f.Gap(0))
		found := slices.DeleteFunc(mids, func(m uint16) bool { return m == 3 })
		if len(found) != lost.want {
			t.Errorf("without %d to %d: messages %v, want %d", lost.from, lost.to, mids, lost.want)
		}
	}
}

// TestContentIsNoMessage begins in the middle of a file that holds a message,
// as a capture does: what stands in it is not believed.
func TestContentIsNoMessage(t *testing.T) {
	inner := frame(smb1Message(0x32, 65, make([]byte, 30), nil))
	content := slices.Concat(bytes.Repeat([]byte("file "), 300), inner, bytes.Repeat([]byte("file "), 300), inner, []byte("end"))
	outer := slices.Concat(content, frame(smb1Message(0x2E, 7, nil, nil)), frame(smb1Message(0x71, 8, nil, nil)), frame(smb1Message(0x74, 9, nil, nil)))
	have := whole(outer)
	if len(have) != 2 || have[0].data[4] != 0x71 || have[1].data[4] != 0x74 {
		t.Fatalf("%d messages, want the last two: %+v", len(have), have)
	}
}

// TestPoolLimit gives more incomplete messages than there are buffers for: the latest
// have them.
func TestPoolLimit(t *testing.T) {
	pool := NewPool(2)
	m := slices.Concat(frame(smb1Message(0x72, 1, nil, make([]byte, 300))), frame(smb1Message(0x73, 2, nil, nil)))
	framers := make([]Framer, 5)
	for i := range framers {
		framers[i] = NewFramer(pool)
		b := m[:50]
		if _, ok := framers[i].Next(&b); ok {
			t.Fatal("a message of 50 bytes")
		}
	}
	if pool.Stats.NoBuffer != 3 {
		t.Fatalf("given up %d, want 3", pool.Stats.NoBuffer)
	}
	for i := range framers {
		b, n := m[50:], 0
		for _, ok := framers[i].Next(&b); ok; _, ok = framers[i].Next(&b) {
			n++
		}
		if want := map[bool]int{true: 2, false: 1}[i >= 3]; n != want {
			t.Errorf("framer %d: %d messages, want %d", i, n, want)
		}
		framers[i].Close()
	}
}

func TestFramerAllocatesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	b := stream(rnd, true)
	for range 20 {
		b = append(b, stream(rnd, true)...)
	}
	pool := NewPool(1)
	f := NewFramer(pool)
	n := testing.AllocsPerRun(20, func() {
		for rest := b; len(rest) > 0; {
			chunk := rest[:min(len(rest), 333)]
			rest = rest[len(chunk):]
			for m, ok := f.Next(&chunk); ok; m, ok = f.Next(&chunk) {
				if h, ok := ParseHeader(m.Data); ok {
					ParseTrans(m.Data)
					TreePath(m.Data, &h)
				}
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFramer(b *testing.B) {
	big := bytes.Repeat(frame(smb1Message(0x2E, 1, make([]byte, 24), make([]byte, 61_000))), 4)
	pool := NewPool(1)
	f := NewFramer(pool)
	b.SetBytes(int64(len(big)))
	for b.Loop() {
		for rest := big; len(rest) > 0; {
			chunk := rest[:min(len(rest), 1460)]
			rest = rest[len(chunk):]
			for _, ok := f.Next(&chunk); ok; _, ok = f.Next(&chunk) {
			}
		}
	}
}
