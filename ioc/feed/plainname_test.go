package feed

import (
	"math/rand/v2"
	"strings"
	"testing"

	"wormscope/ioc"
)

// checkPlainName holds the short way for plain names against the long one, and
// reports whether it was taken.
func checkPlainName(t *testing.T, p *parser, text string) bool {
	t.Helper()
	if !p.isPlainName(text) {
		return false
	}
	if o, reason := p.takeApart(text); o != (observable{kind: ioc.Domain, name: text}) || reason != "" {
		t.Fatalf("%q is no plain name: %+v %q", text, o, reason)
	}
	if entry, comment := splitComment(text); entry != text || comment != "" || indexDelimiter(text) >= 0 {
		t.Fatalf("a line %q is not all name: %q, comment %q", text, entry, comment)
	}
	return true
}

func TestPlainNames(t *testing.T) {
	p := parser{guards: newGuards()}
	label := strings.Repeat("a", 63)
	for text, want := range map[string]bool{
		"evil.example": true, "a.b": true, "under_score.example": true, "-x-.xn--p1ai": true, label + ".a": true, "a." + label: true,
		label + "." + label + "." + label + "." + label[2:]: true, // 253 bytes
		label + "." + label + "." + label + "." + label[1:]: false,
		label + "a.a": false, "a." + label + "a": false,
		"": false, ".": false, "com": false, ".a.b": false, "a..b": false, "a.b.": false, "a.B": false, "a b.c": false, "a.b#": false,
		"1.2.3.4": false, "a.1": false, "a.0x1": false, "a.é": false, "hxxp.example": true, "hxxpx.example": true, "hxx.example": true,
		"co.uk": false, "github.io": false, "anything.ck": false, "d41d8cd98f00b204e9800998ecf8427e": false,
	} {
		got := checkPlainName(t, &p, text)
		if perhaps := p.guards.suffixes.mayBe(text, strings.IndexByte(text, '.')); got != want && !perhaps {
			t.Errorf("%q: %v", text, got) // one name in 200 or so is looked up in the list of suffixes for nothing
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	parts := strings.Split("a z 0 9 - _ . . . com co.uk ck io github.io hxxp http # ; // / : @ ! * A \t \" ' [ ] | ^ 0x1 1.2.3.4 é \x00 \xff", " ")
	parts = append(parts, " ", label)
	taken := 0
	for range 200_000 {
		var text strings.Builder
		for range 1 + r.IntN(6) {
			text.WriteString(parts[r.IntN(len(parts))])
		}
		if checkPlainName(t, &p, text.String()) {
			taken++
		}
	}
	if taken < 1000 {
		t.Errorf("only %d names were plain", taken)
	}
}

// TestPlainText tries each byte at each place of texts of all short lengths.
func TestPlainText(t *testing.T) {
	const plain = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	for length := range 30 {
		text := []byte(strings.Repeat(plain, 2)[length : 2*length])
		for at := range text {
			was := text[at]
			for c := range 256 {
				text[at] = byte(c)
				if got := isPlainText(string(text)); got != (strings.IndexByte(plain, byte(c)) >= 0) {
					t.Fatalf("%q: %v", text, got)
				}
			}
			text[at] = was
		}
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 100_000 { // several odd ones
		text := make([]byte, 1+r.IntN(20))
		for i := range text {
			if text[i] = plain[r.IntN(len(plain))]; r.IntN(8) == 0 {
				text[i] = byte(r.IntN(256))
			}
		}
		if got := isPlainText(string(text)); got != (strings.Trim(string(text), plain) == "") {
			t.Fatalf("%q: %v", text, got)
		}
	}
}

func TestIndexAfterBlank(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 100_000 {
		text := make([]byte, r.IntN(9))
		for i := range text {
			text[i] = "# /\t/;a"[r.IntN(7)]
		}
		for _, mark := range []string{"#", ";", "//"} {
			want := strings.Index(string(text), " "+mark)
			if want < 0 {
				want = strings.Index(string(text), "\t"+mark)
			}
			if want >= 0 {
				want++
			}
			if got := indexAfterBlank(string(text), mark); got != want {
				t.Fatalf("%q in %q: %d, want %d", mark, text, got, want)
			}
		}
	}
}
