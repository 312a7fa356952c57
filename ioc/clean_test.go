package ioc

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// wireOf returns a name as it may stand in a DNS message, in any case and now
// and then with a pointer within it.
func wireOf(r *rand.Rand, labels []string) (msg []byte, places []int, lengths uint64) {
	msg = make([]byte, 12, 300)
	for _, label := range labels {
		if r.IntN(8) == 0 {
			msg = append(msg, 0xc0, byte(len(msg)+2))
		}
		places = append(places, len(msg))
		msg = append(append(msg, byte(len(label))), label...)
		lengths |= 1 << len(label)
	}
	for i, c := range msg {
		if 'a' <= c && c <= 'z' && r.IntN(3) == 0 {
			msg[i] -= 'a' - 'A'
		}
	}
	return append(msg, 0), places, lengths
}

// inOnePiece reports whether a name has two labels or more and no pointer.
func inOnePiece(msg []byte, places []int) bool {
	for i := 1; i < len(places); i++ {
		if after(msg, places[i-1]) != places[i] {
			return false
		}
	}
	return len(places) > 1
}

// textOf returns the text of a name whose labels have no odd bytes but dots
// and backslashes.
func textOf(labels []string) []byte {
	escape := strings.NewReplacer(`.`, `\.`, `\`, `\\`)
	var text []byte
	for _, label := range labels {
		text = append(append(text, escape.Replace(label)...), '.')
	}
	return text[:len(text)-1]
}

// TestCleanNeverHidesAnIndicator checks that what Clean says of a name agrees
// with Name, and that it says so of most names.
func TestCleanNeverHidesAnIndicator(t *testing.T) {
	odds := []string{"x.y", `\`}
	words := []string{"a", "b", "cc", "evil", "example", "a-long-label-of-more-than-sixteen-bytes", "12345678", "123456789"}
	others := []string{"d", "ee", "good", "test", "another-label-of-more-than-16-bytes"}
	clean, unsure := 0, 0
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 5))
		name := func(words ...string) []string {
			labels := make([]string, 1+r.IntN(5))
			for i := range labels {
				labels[i] = words[r.IntN(len(words))]
			}
			return labels
		}
		odd := int(seed % 3) // how many of the odd words are in indicators
		known, asked := slices.Concat(words, odds[:odd]), slices.Concat(words, odds, others)
		b := NewBuilder()
		var added [][]string
		for range 1 + r.IntN(40) {
			added = append(added, name(known...))
			value := textOf(added[len(added)-1])
			i := Indicator{Value: string(value), Exact: r.IntN(5) == 0}
			if seed%5 == 0 && r.IntN(20) == 0 {
				i.Class = KillSwitch
			}
			if err := b.Add(i); err != nil && bytes.IndexByte(value, '.') >= 0 {
				t.Fatal(err)
			}
		}
		s := b.Build()
		tails := s.Tails()
		for i := range 500 {
			labels := name(asked...)
			if r.IntN(4) == 0 { // with a search suffix
				labels = slices.Concat(added[r.IntN(len(added))], name(others...))
			}
			_, found := s.Name(textOf(labels), 0)
			msg, places, lengths := wireOf(r, labels)
			if inOnePiece(msg, places) {
				said := tails.Clean(msg[:len(msg)-1], places[len(places)-2], lengths)
				if found && said {
					t.Fatalf("seed %d: Tails.Clean(%q), and it is an indicator", seed, labels)
				}
				if i%8 == 0 && said != s.Tails().Clean(msg[:len(msg)-1], places[len(places)-2], lengths) {
					t.Fatalf("seed %d: Tails.Clean(%q) says %t, and another when it remembers nothing", seed, labels, said)
				}
			}
			switch said := s.Clean(msg, places, lengths); {
			case said && found:
				t.Fatalf("seed %d: Clean(%q), and it is an indicator", seed, labels)
			case odd == 0 && !found && said:
				clean++
			case odd == 0 && !found:
				unsure++
			}
		}
	}
	if clean < 10_000 || unsure > clean/2 {
		t.Errorf("of %d names that are no indicators Clean let %d pass", clean+unsure, clean)
	}
}

// TestCleanOfHostileNames gives names that begin within the header, where a
// pointer may lead.
func TestCleanOfHostileNames(t *testing.T) {
	s := build(t, Indicator{Value: "a.b"}, Indicator{Value: "evil.example"})
	if s.Clean([]byte("\x01a\x01b\x00"), []int{0, 2}, 1<<1) {
		t.Error("a name at the beginning of a message is hidden")
	}
	for _, c := range []struct {
		msg    string
		labels []int
	}{{"\x00", nil}, {"\x01a\x00", []int{0}}, {"\x01x\x01y\x01z\x00", []int{4, 2, 0}}, {"\x0cabcdefghijkl\x01b\x00", []int{13, 0}}} {
		s.Clean([]byte(c.msg), c.labels, 0)
	}
	if s.Tails().Clean([]byte("\x01x\x01b"), 0, 1<<1) {
		t.Error("a name at the beginning of a message is read before it")
	}
	var none *Set
	if !none.Clean([]byte("\x01a\x01b\x00"), []int{0, 2}, 1<<1) || !none.Tails().Clean([]byte("\x01a\x01b"), 0, 1<<1) {
		t.Error("a nil Set has an indicator")
	}
}
