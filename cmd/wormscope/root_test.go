package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestErrorLines has a file whose name has a line end and an escape sequence.
func TestErrorLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a\nb\x1b[2J.txt")
	if err := os.WriteFile(path, []byte("com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	status := run([]string{"feeds", "check", path}, nil, &stdout, &stderr)
	want := "wormscope: feed " + filepath.Dir(path) + `/a\nb\x1b[2J.txt: no usable entry` + "\n"
	if status != exitFail || stderr.String() != want {
		t.Errorf("status %d, %q, want %q", status, stderr.String(), want)
	}
	if first, _, _ := strings.Cut(stdout.String(), "\n"); first != filepath.Dir(path)+"/a.b.[2J.txt" {
		t.Errorf("the report begins with %q", first)
	}
}

// TestEscaped: what a server answers, or a file is called, neither drives a terminal
// nor turns a line around.
func TestEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"größer als 世界":             "größer als 世界",
		"a\x1b[2J\u009b31mb":        `a\x1b[2J\u009b31mb`,
		"gnp.\u202eexe\u2066\u200b": `gnp.\u202eexe\u2066\u200b`,
	} {
		if got := escaped(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestJoined(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	var got []string
	for _, err := range joined(errors.Join(a, errors.Join(b, fmt.Errorf("%w of %w", c, a)), usagef("%w", b))) {
		got = append(got, err.Error())
	}
	if want := []string{"a", "b", "c of a", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	full, lost := errors.New("disk full"), errors.New("2 events lost")
	if got := oneLine(errors.Join(full, errors.Join(full, lost), full)); got != "disk full; 2 events lost" {
		t.Errorf("joined: %q", got)
	}
	about := fmt.Errorf("at the end: %w", inOneLine{errors.Join(full, errors.Join(full, lost))})
	if got := about.Error(); got != "at the end: disk full; 2 events lost" || !errors.Is(about, lost) {
		t.Errorf("joined, with more: %q", got)
	}
}
