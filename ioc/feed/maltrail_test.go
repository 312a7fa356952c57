package feed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"wormscope/internal/needs"
	"wormscope/ioc"
)

// maltrail unpacks the static trails of Maltrail, which are kept beside the
// project and are no part of it. Where they are missing, the test is skipped,
// or fails when CI is set.
func maltrail(t testing.TB) string {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	archive := filepath.Join(filepath.Dir(self), "..", "..", "..", "shared", "feeds", "maltrail-static.tar.xz")
	if _, err := os.Stat(archive); err != nil {
		needs.GiveUp(t)("the public feeds are not here: %v", err)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-xJf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return filepath.Join(dir, "trails", "static")
}

// TestMaltrail reads 1.85 million entries as people publish them. What is
// skipped was looked at: paths without a host, whole top-level domains,
// regular expressions, ports such as 0 and 66086, slips of the keyboard.
func TestMaltrail(t *testing.T) {
	dir := maltrail(t)
	b := ioc.NewBuilder()
	r, err := Load(t.Context(), b, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := b.Build()
	counts := s.Counts()
	skipped, lines, none := map[Reason]int{}, 0, 0
	for i := range r.Files {
		f := &r.Files[i]
		lines += f.Lines
		if f.Err != nil {
			none++
		}
		if f.Format != Plain {
			t.Errorf("%s is read as %v", f.Path, f.Format)
		}
		for _, skip := range f.Skipped {
			skipped[skip.Reason] += skip.Count
		}
	}
	counts.Feeds = nil
	t.Logf("%d files (%d without an entry), %d lines, %d entries: %+v\nskipped %v", len(r.Files), none, lines, r.Total(), counts, skipped)
	if len(r.Files) < 3000 || counts.Names < 1_100_000 || counts.Addresses < 350_000 || counts.Networks < 1000 || none > 30 {
		t.Errorf("too few: %+v", counts)
	}
	others := 0
	for reason, n := range skipped {
		if reason != reasonPath {
			others += n
		}
	}
	if skipped[reasonPath] < 90_000 || others > 300 {
		t.Errorf("skipped %v", skipped)
	}
	for lookup, want := range map[string]string{
		"www.iuqssfsodp9ifjaposdfjhgosurijfaewrwergwea.com": "domain iuqssfsodp9ifjaposdfjhgosurijfaewrwergwea.com",
		"198.18.0.1": "",
		"clean.test": "",
	} {
		got := ""
		if i, ok := find(s, lookup); ok {
			got = show(i)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", lookup, got, want)
		}
	}
}

// BenchmarkLoad reads a plain list of a million names and a hundred thousand
// addresses.
func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&text, "%x-host-%d.example\n", uint32(i)*2654435761, i%1000)
	}
	for i := range 100_000 {
		fmt.Fprintf(&text, "%d.%d.%d.%d\n", 1+i%9, i>>16, i>>8&255, i&255)
	}
	path := write(b, "list.txt", text.String())
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		builder := ioc.NewBuilder()
		if _, err := Load(b.Context(), builder, path, Options{}); err != nil {
			b.Fatal(err)
		}
		if c := builder.Build().Counts(); c.Total() != 1_100_000 {
			b.Fatalf("%+v", c)
		}
	}
}
