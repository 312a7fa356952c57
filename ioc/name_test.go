package ioc

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// plainCheck is checkName by a look at one byte after the other.
func plainCheck(name []byte) string {
	if len(name) == 0 || len(name) > maxName {
		return "not a name of 1 to 253 bytes"
	}
	if slices.ContainsFunc(name, func(c byte) bool { return c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' }) {
		return "a name with a byte that is not lower-case ASCII"
	}
	for label := range bytes.SplitSeq(name, []byte(".")) {
		if len(label) == 0 || len(label) > 63 {
			return errLabel.Error()
		}
	}
	if bytes.IndexByte(name, '.') < 0 {
		return "a name without a dot"
	}
	return ""
}

// TestCheckName compares checkName with a plain check, for each byte at each place and
// for random names.
func TestCheckName(t *testing.T) {
	check := func(name []byte) bool {
		want, got := plainCheck(name), ""
		if err := checkName(name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Fatalf("%q: %q, want %q", name, got, want)
		}
		return got == ""
	}
	for length := range 30 { // each byte at each place
		name := append([]byte("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o")[:length:length], "a.b"...)
		for at := range name {
			was := name[at]
			for c := range 256 {
				name[at] = byte(c)
				check(name)
			}
			name[at] = was
		}
	}
	label := strings.Repeat("a", 63)
	parts := []string{"a", "bc", "example", label, label, ".", ".", ".", ".", ".", "-", "_", "Z", "~", "\\.", "é", " "}
	r := rand.New(rand.NewPCG(3, 3))
	sound := 0
	for range 100_000 {
		var name []byte
		for range r.IntN(10) {
			name = append(name, parts[r.IntN(len(parts)-7*r.IntN(2))]...)
		}
		if check(name) {
			sound++
		}
	}
	if sound < 1000 {
		t.Errorf("only %d names were sound", sound)
	}
	if !errors.Is(checkName([]byte("a..b")), errLabel) {
		t.Error("another error for a label")
	}
}
