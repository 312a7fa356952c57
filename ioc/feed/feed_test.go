package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"wormscope/ioc"
)

// write writes a file into a folder of the test's own.
func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads a feed with this content and returns the Set and its report.
func load(t testing.TB, content string, o Options) (*ioc.Set, FileReport) {
	t.Helper()
	b := ioc.NewBuilder()
	r, err := Load(t.Context(), b, write(t, "test.feed", content), o)
	if err != nil && !errors.Is(err, ErrNoEntries) {
		t.Fatal(err)
	}
	return b.Build(), r.Files[0]
}

// find looks up an observable as text: a name, an address with a port, or one
// without.
func find(s *ioc.Set, observable string) (ioc.Indicator, bool) {
	var m ioc.Match
	var ok bool
	if ap, err := netip.ParseAddrPort(observable); err == nil {
		m, ok = s.Address(ap, 0)
	} else if a, err := netip.ParseAddr(observable); err == nil {
		m, ok = s.Address(netip.AddrPortFrom(a, 9), 0)
	} else {
		m, ok = s.Name([]byte(observable), 0)
	}
	if !ok {
		return ioc.Indicator{}, false
	}
	return s.Indicator(m), true
}

// show returns an indicator as one word.
func show(i ioc.Indicator) string {
	text := i.Type.String() + " " + i.Value
	if i.Port != 0 {
		text += fmt.Sprint(" port ", i.Port)
	}
	if i.Exact {
		text += " exact"
	}
	return text
}

func TestPlainProvenance(t *testing.T) {
	s, file := load(t, `# A list
# Reference: https://report.example/1
# Reference: https://report.example/2

a.example
b.example # the bot

# Reference: https://report.example/3
192.0.2.1:443 seen in May
c.example/gate.php # panel
a.example
`, Options{Class: ioc.Sinkhole, Confidence: ioc.MediumConfidence, TLP: "GREEN"})
	for lookup, want := range map[string]ioc.Indicator{
		"a.example":     {Value: "a.example", Line: 5, Reference: "https://report.example/1"},
		"b.example":     {Value: "b.example", Line: 6, Reference: "https://report.example/1", Description: "the bot"},
		"192.0.2.1:443": {Type: ioc.Address, Value: "192.0.2.1", Port: 443, Line: 9, Reference: "https://report.example/3", Description: "seen in May"},
		"c.example":     {Value: "c.example", Line: 10, Exact: true, Reference: "https://report.example/3", Description: "panel (c.example/gate.php)"},
	} {
		want.Feed, want.Class, want.Confidence, want.TLP = "test", ioc.Sinkhole, ioc.MediumConfidence, "GREEN"
		if got, _ := find(s, lookup); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n got %+v\nwant %+v", lookup, got, want)
		}
	}
	if file.Names != 4 || file.Addresses != 1 || file.Duplicates != 1 || file.Lines != 11 || file.Format != Plain {
		t.Errorf("%+v", file)
	}
}

// An errorTest is a file that is no feed, and the whole text of its error.
type errorTest struct {
	name, content string
	options       Options
	want          string
}

func (test *errorTest) run(t *testing.T) {
	path := write(t, "test.feed", test.content)
	r, err := Load(t.Context(), ioc.NewBuilder(), path, test.options)
	want := "feed " + path + ": " + test.want
	if e, ok := errors.AsType[*Error](err); !ok || e.Path != path || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if len(r.Files) != 1 || r.Files[0].Err == nil || r.Files[0].Err.Error() != test.want {
		t.Errorf("report %+v", r)
	}
}

// TestErrors checks the whole text of the error for a file that is no feed.
func TestErrors(t *testing.T) {
	for _, test := range []errorTest{
		{"empty", "", Options{}, "no usable entry"},
		{"blank", " \n\n", Options{}, "no usable entry"},
		{"comments", "# nothing today\n", Options{}, "no usable entry"},
		{"only refused", "com\n10.0.0.1\n", Options{}, "no usable entry"},
		{"json", ` [{"a":1}]`, Options{}, "is JSON, a format that is not read"},
		{"html", "<!DOCTYPE html>\n<p>404", Options{}, "is an HTML or XML document, a format that is not read"},
		{"rules", `alert dns any any -> any any (msg:"x"; sid:1;)`, Options{}, "is a Suricata or Snort rule file, a format that is not read"},
		{"binary", "evil.example\n\x00\x01", Options{}, "is a binary file (byte 0 at offset 13)"},
		{"capture", "\xd4\xc3\xb2\xa1\x02\x00\x04\x00", Options{}, "is a packet capture, not a feed"},
		{"utf-16", "\xff\xfee\x00", Options{}, "is UTF-16 text: save it as UTF-8"},
		{"zip", "PK\x03\x04", Options{}, "is a zip archive: unpack it first"},
		{"no column", "a,b\n1,2\n", Options{Columns: Columns{Indicator: "where"}}, `no column "where" in the CSV header, which has a, b`},
		{"no indicator column", "a,b\n1,2\n", Options{Format: CSV}, "no CSV header with a column of indicators was found: name the columns"},
		{"only other columns", "a,b\n1,2\n", Options{Columns: Columns{Type: "a"}}, "the column of the indicators is not named"},
		{"zeek without fields", "evil.example\tIntel::DOMAIN\n", Options{Format: Zeek}, "line 1: no #fields line before the first entry"},
		{"zeek with few fields", "#fields\tindicator\n", Options{}, "line 1: the #fields line lacks indicator or indicator_type"},
	} {
		t.Run(test.name, test.run)
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := Load(t.Context(), ioc.NewBuilder(), missing, Options{}); err == nil || err.Error() != "feed "+missing+": no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
}

// TestFolder reads a folder of feeds, without what is hidden or about the folder.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"b.txt": "b.example\n", "a.list.gz": "", "sub/c": "# only\n/a/path\n", ".hidden": "no.example\n",
		"README.txt": "readme.example\n", "notes.md": "notes.example\n", ".git/x": "git.example\n", "sub/d.txt": "# nothing today\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "a.list.gz" {
			var buf bytes.Buffer
			z := gzip.NewWriter(&buf)
			fmt.Fprintln(z, "a.example")
			z.Close()
			content = buf.String()
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := ioc.NewBuilder()
	r, err := Load(t.Context(), b, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var feeds []string
	for _, f := range r.Files {
		feeds = append(feeds, fmt.Sprint(f.Feed, " ", f.Total()))
	}
	if want := []string{"a 1", "b 1", "c 0", "d 0"}; !slices.Equal(feeds, want) {
		t.Errorf("feeds %q, want %q", feeds, want)
	}
	if c := b.Build().Counts(); c.Names != 2 {
		t.Errorf("%+v", c)
	}

	// Files that are broken fail the folder, and all of them are said.
	for name, content := range map[string]string{"e": "", "f": "{}", "g": "com"} {
		if err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Load(t.Context(), ioc.NewBuilder(), dir, Options{})
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !errors.Is(err, ErrNoEntries) {
		t.Errorf("broken files: %v", err)
	}
	if _, err = Load(t.Context(), ioc.NewBuilder(), t.TempDir(), Options{}); !errors.Is(err, ErrNoEntries) {
		t.Errorf("empty folder: %v", err)
	}
}

// TestLinks has a link to a folder that holds a link to another one and one to
// itself, and a link that leads nowhere.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"real", "other"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, folder+".txt"), []byte(folder+".example\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("real", "root")
	link("../other", "real/linked")
	link(".", "real/self")
	root := filepath.Join(dir, "root")
	files, folder, err := Files(root)
	if want := []string{root + "/linked/other.txt", root + "/real.txt"}; err != nil || !folder || !slices.Equal(files, want) {
		t.Errorf("files %q, want %q: %v", files, want, err)
	}
	link("nowhere", "real/lost.txt")
	_, err = Load(t.Context(), ioc.NewBuilder(), root, Options{})
	if want := "feed " + root + "/lost.txt: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestCompressed(t *testing.T) {
	text := strings.Repeat("evil.example\n", 1000)
	var gz, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	fmt.Fprint(z, text)
	z.Close()
	w, _ := zstd.NewWriter(&zst)
	fmt.Fprint(w, text)
	w.Close()
	for name, content := range map[string]string{"gz": gz.String(), "zst": zst.String()} {
		if _, file := load(t, content, Options{}); file.Names != 1000 || file.Lines != 1000 {
			t.Errorf("%s: %+v", name, file)
		}
		b := ioc.NewBuilder()
		_, err := Load(t.Context(), b, write(t, "cut", content[:len(content)-9]), Options{})
		if err == nil || !strings.HasSuffix(err.Error(), "cut short") {
			t.Errorf("%s: of a file that is cut off: %v", name, err)
		}
	}
}

// TestLimited: a small file that unpacks into a very large one does not take for ever.
func TestLimited(t *testing.T) {
	if b, err := io.ReadAll(&limited{strings.NewReader("123456"), 5}); string(b) != "12345" || err == nil {
		t.Errorf("read %q: %v", b, err)
	}
	if b, err := io.ReadAll(&limited{strings.NewReader("12345"), 6}); string(b) != "12345" || err != nil {
		t.Errorf("within the limit: read %q: %v", b, err)
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	for _, size := range []int{maxLine + 1, 2*maxLine - 1, 2 * maxLine, 2*maxLine + 1, 10 * maxLine} {
		text := "a.example\n" + strings.Repeat("x", size) + "\nb.example\n" + strings.Repeat("# c\n", maxLine) + "c.example"
		s, file := load(t, text, Options{})
		for name, line := range map[string]int{"a.example": 1, "b.example": 3, "c.example": 4 + maxLine} {
			if i, ok := find(s, name); !ok || i.Line != line {
				t.Errorf("%d: %s is %+v", size, name, i)
			}
		}
		if len(file.Skipped) != 1 || file.Skipped[0].Reason != reasonLong || file.Skipped[0].Samples[0].Line != 2 {
			t.Errorf("%d: %+v", size, file.Skipped)
		}
	}
	if _, file := load(t, "a.example\n"+long, Options{}); file.Names != 1 || file.SkippedTotal() != 1 || file.Lines != 2 {
		t.Errorf("at the end: %+v", file)
	}
	for _, format := range []Format{CSV, Zeek} {
		text := "#fields\tindicator\tindicator_type\na.example\tIntel::DOMAIN\n" + long + "\nb.example\tIntel::DOMAIN\n"
		if format == CSV {
			text = "domain,x\na.example,\n" + long + "\nb.example,\n"
		}
		if _, file := load(t, text, Options{}); file.Format != format || file.Names != 2 || file.SkippedTotal() != 1 || file.Lines != 4 {
			t.Errorf("%v: %+v", format, file)
		}
	}
}

func TestAllowList(t *testing.T) {
	b := ioc.NewBuilder()
	if err := b.Allow("good.example"); err != nil {
		t.Fatal(err)
	}
	r, err := Load(t.Context(), b, write(t, "x", "www.good.example\nevil.example\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Files[0]; f.Names != 1 || len(f.Skipped) != 1 || f.Skipped[0].Reason != "allow-listed" {
		t.Errorf("%+v", f)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, ioc.NewBuilder(), write(t, "x", "evil.example\n"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWriteText(t *testing.T) {
	path := write(t, "list.txt", "evil.example\nevil.example\n192.0.2.1\ncom\n"+strings.Repeat("10.0.0.1\x1b[2J\n", 12))
	b := ioc.NewBuilder()
	r, err := Load(t.Context(), b, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	builtin, err := AddBuiltin(b)
	if err != nil {
		t.Fatal(err)
	}
	r.Files = append(r.Files, builtin.Files...)
	r.Files = append(r.Files, FileReport{Path: "/feeds/broken", Err: ErrNoEntries})
	var out strings.Builder
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	want := path + `
  format   plain, 16 lines
  entries  2 names, 1 address, 0 networks (of these 1 duplicate)
  skipped  1: a public suffix: it would match everybody's names
           line 4: com
  skipped  12: a character that no name has
           line 5: 10.0.0.1.[2J
           line 6: 10.0.0.1.[2J
           line 7: 10.0.0.1.[2J
           line 8: 10.0.0.1.[2J
           line 9: 10.0.0.1.[2J
           line 10: 10.0.0.1.[2J
           line 11: 10.0.0.1.[2J
           line 12: 10.0.0.1.[2J
           line 13: 10.0.0.1.[2J
           line 14: 10.0.0.1.[2J
           and 2 more
(built in)
  entries  13 names, 0 addresses, 0 networks
/feeds/broken
  error    no usable entry
3 files: 15 names, 1 address, 0 networks (of these 1 duplicate)
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestBuiltin(t *testing.T) {
	b := ioc.NewBuilder()
	if _, err := AddBuiltin(b); err != nil {
		t.Fatal(err)
	}
	s := b.Build()
	for _, name := range []string{
		"iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com",
		"www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com",
		"www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com.corp.example",
		"www.ifferfsodp9ifjaposdfjhgosurijfaewrwergwea.testing",
		"ayylmaotjhsstasdfasdfasdfasdfasdfasdfasdf.com",
		"www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwff.com",
	} {
		if i, ok := find(s, name); !ok || i.Class != ioc.KillSwitch || i.Reference == "" {
			t.Errorf("%s is %+v", name, i)
		}
	}
	if i, ok := find(s, "lazarusse.suiche.sdfjhgosurijfaqwqwqrgwea.com"); !ok || i.Confidence != ioc.MediumConfidence {
		t.Errorf("the name that one source has is %+v", i)
	}
	if i, ok := find(s, "gx7ekbenv2riucmf.onion"); !ok || i.Class != ioc.Malicious {
		t.Errorf("the hidden service is %+v", i)
	}
	if c := s.Counts(); c.KillSwitch != 8 || c.Names != 13 {
		t.Errorf("%+v", c)
	}
	// A block list that has a kill switch does not take its meaning from it.
	b = ioc.NewBuilder()
	if _, err := Load(t.Context(), b, write(t, "block.txt", "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com\n"), Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := AddBuiltin(b); err != nil {
		t.Fatal(err)
	}
	if i, _ := find(b.Build(), "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"); i.Class != ioc.KillSwitch || !slices.Equal(i.AlsoIn, []string{"block"}) {
		t.Errorf("%+v", i)
	}
}
