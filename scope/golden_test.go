package scope_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"wormscope/detect/alert"
	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func TestOutbreakGolden(t *testing.T) {
	l, changes := ledgerOf(t, outbreak())
	d := l.Document(capture())
	golden(t, "outbreak.json", jsonOf(t, d))
	golden(t, "outbreak.txt", textOf(t, d))
	var b strings.Builder
	for _, c := range *changes {
		fmt.Fprintf(&b, "%s %s %s %s->%s %.3f frame %d: %s\n", c.Time.Format("15:04:05"), c.Host, c.Zone, c.From, c.To, c.Confidence, c.Frame.Number, c.Why)
	}
	golden(t, "outbreak.changes", b.String())
}

// TestDigestGivesTheSameText checks that the hosts which a digest leaves out
// are none that the text shows.
func TestDigestGivesTheSameText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		words := outbreak()
		for i := range r.IntN(200) {
			host := netip.AddrFrom4([4]byte{10, byte(1 + r.IntN(3)), 9, byte(r.IntN(60))}).String()
			switch r.IntN(4) {
			case 0:
				words = append(words, factOf(targeted(host, "10.1.0.5", r.IntN(500), uint64(i))))
			case 1:
				words = append(words, alertOf(exposed(host, 445, "10.1.0.5", 1, r.IntN(10) == 0, r.IntN(500), uint64(i))))
			case 2:
				words = append(words, alertOf(lookup(host, killSwitch, "NXDOMAIN", r.IntN(500), uint64(i))))
			case 3:
				words = append(words, factOf(smbFact(alert.FactExploitCompleted, host, "10.1.0.5", blue, 1+r.IntN(500))))
			}
		}
		l, _ := ledgerOf(t, words)
		whole, short := l.Document(capture()), l.Digest(capture())
		if w, s := textOf(t, whole), textOf(t, short); w != s {
			t.Fatalf("a document's text is\n%s\nits digest's is\n%s", w, s)
		}
		if len(short.Hosts) > len(whole.Hosts) || whole.Totals != short.Totals {
			t.Fatalf("%d of %d hosts, totals %+v and %+v", len(short.Hosts), len(whole.Hosts), short.Totals, whole.Totals)
		}
	}
}

func TestQuietGolden(t *testing.T) {
	l, _ := ledgerOf(t, nil)
	c := capture()
	c.Dropped, c.Undecoded, c.Warnings = 0, nil, nil
	golden(t, "quiet.txt", textOf(t, l.Document(c)))
	golden(t, "empty.txt", textOf(t, l.Document(scope.Capture{})))
	golden(t, "empty.json", jsonOf(t, l.Document(scope.Capture{})))
}

func TestThousandsGolden(t *testing.T) {
	var words []said
	for i := range 5000 {
		host := netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i%250 + 1)}).String()
		words = append(words, alertOf(lookup(host, killSwitch, "NXDOMAIN", i/10, uint64(i+1))))
		if i%2 == 0 {
			words = append(words, alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 254, Silent: 254}, i/10+5, uint64(i+10000))))
		}
	}
	l, _ := ledgerOf(t, words)
	c := capture()
	c.Files = []string{"a.pcap", "b.pcap"}
	golden(t, "thousands.txt", textOf(t, l.Document(c)))
}

func TestTextKeepsItsWidth(t *testing.T) {
	for _, name := range []string{"outbreak.txt", "quiet.txt", "empty.txt", "thousands.txt"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if n := utf8.RuneCountInString(line); n > 100 {
				t.Errorf("%s:%d is %d characters wide", name, i+1, n)
			}
		}
	}
}
