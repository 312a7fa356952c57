package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"wormscope/scope"
	"wormscope/scope/report"
)

// parse parses a report.
func parse(t testing.TB, page string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// elements returns the elements of a name, all of them for none.
func elements(root *html.Node, name string) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) {
			out = append(out, n)
		}
	}
	return out
}

// attribute returns an attribute, empty when there is none.
func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text returns the text in an element, its white space made even.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// outline returns what a reader finds on the page, a line for each heading,
// paragraph, row and label, without what is only shape.
func outline(root *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			switch n.Data {
			case "head", "script", "pre", "nav":
				return
			case "h1", "h2", "h3", "p", "dt", "dd", "caption", "tr", "text", "title", "summary":
				if n.Data == "tr" && strings.Contains(attribute(n, "class"), "evidence") {
					break
				}
				fmt.Fprintf(&b, "%-7s %s\n", n.Data, text(n))
				return
			case "circle", "path":
				fmt.Fprintf(&b, "%-7s %s\n", n.Data, attribute(n, "class"))
			case "li":
				if attribute(n.Parent, "class") == "tiles" {
					fmt.Fprintf(&b, "%-7s %s\n", "tile", text(n))
					return
				}
				if attribute(n.Parent, "class") == "blind" {
					fmt.Fprintf(&b, "%-7s %s\n", "li", text(n))
					return
				}
			}
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	walk(root)
	return b.String()
}

// quiet is a document on a capture in which nothing happened.
func quiet() *scope.Document {
	doc := outbreakOf(0, 0, 0)
	doc.External, doc.Attacks, doc.Totals = nil, nil, scope.Totals{}
	doc.Capture.Dropped, doc.Capture.Undecoded, doc.Capture.Warnings = 0, nil, nil
	return doc
}

// exploited is a document on a capture in which an exploit got through to a
// host, and no more.
func exploited() *scope.Document {
	doc := quiet()
	fact := func(kind string, sure float64, frame uint64, detail string) scope.FactItem {
		return scope.FactItem{Fact: kind, Confidence: sure, First: at(5), Last: at(5), Count: 1, Peer: "203.0.113.9", Port: 445, Frames: []uint64{frame}, Detail: detail}
	}
	doc.Hosts = []scope.HostEntry{{
		IP: "10.10.0.14", Zone: "office", State: scope.Targeted, Confidence: .9, FirstSeen: at(5), LastSeen: at(5),
		Patch: "vulnerable", Role: []string{}, InfectedBy: []scope.Source{},
		Asset: &scope.AssetEntry{
			Product: &scope.Attribute{Value: "Windows 7"}, Name: &scope.Attribute{Value: "FILES01"}, Domain: &scope.Attribute{Value: hostile},
			OutOfSupport: true, SMB1: true,
		},
		Facts: []scope.FactItem{
			fact("exposed", 1, 2, "answers on port 445"),
			fact("targeted", .9, 4, "was tried by the scanner 203.0.113.9 on port 445"),
			fact("exploit-completed", .95, 60, "was exploited with EternalBlue by 203.0.113.9: it is not patched"),
		},
	}}
	doc.Totals.Targeted, doc.Totals.Exploited, doc.Totals.SMBExposed, doc.Totals.Vulnerable = 1, 1, 1, 1
	return doc
}

// TestNeverBlock: scanners that must not be blocked are not in the list to
// block, but in one that warns, and hosts that act for others in one of their own.
func TestNeverBlock(t *testing.T) {
	doc := outbreakOf(5, 2, 6)
	forged := doc.External[0].IP
	doc.NeverBlock = []scope.Protected{{IP: forged, Reason: "is a resolver that hosts inside ask"}}
	doc.Hosts[0].Allowed = true
	page := render(t, doc)
	for _, want := range []string{
		">not all to be blocked<", "<code>" + forged + " is a resolver that hosts inside ask</code>", "Never block</p>",
		"<p>But not " + forged + ", which is a resolver that hosts inside ask.</p>",
		"Look behind the 1 allowed scanner or translator", "Isolate the 4 infected hosts now",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<code>"+forged+"</code> <") {
		t.Error("the forged scanner is in the list to block")
	}
}

// TestManySources: a distributed scan goes through the network of what it names, and
// a flood of port 0 is one of many ports.
func TestManySources(t *testing.T) {
	doc := outbreakOf(1, 1, 1)
	doc.Attacks[0].Port = 0
	spread := doc.Attacks[0]
	spread.Kind, spread.Target, spread.Port = "distributed-scan", "10.30.0.2", 445
	doc.Attacks = append(doc.Attacks, spread)
	page := render(t, doc)
	for _, want := range []string{
		"<td>flood</td><td class=\"num\">many</td>",
		"<td>distributed scan of its network</td><td class=\"num\">445</td>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestOutlineGolden(t *testing.T) {
	for name, doc := range map[string]*scope.Document{
		"outbreak": outbreakOf(5, 2, 6), "quiet": quiet(), "exploited": exploited(), "empty": {},
	} {
		t.Run(name, func(t *testing.T) {
			got := outline(parse(t, render(t, doc)))
			path := filepath.Join("testdata", name+".txt")
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
		})
	}
}

// sound checks what must hold of every report, whatever is in it.
func sound(t *testing.T, page string) {
	t.Helper()
	root := parse(t, page)
	ids, links := map[string]bool{}, map[string]bool{}
	for _, n := range elements(root, "") {
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src":
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("two elements have the id %q", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#") && a.Val != "data:,":
				t.Errorf("a link leads out of the page: %q", a.Val)
			case a.Key == "href" && n.Data == "a":
				links[a.Val] = true
			}
		}
		switch n.Data {
		case "img", "iframe", "object", "embed", "form", "base", "audio", "video":
			t.Errorf("<%s> in the page", n.Data)
		}
	}
	scripts, styles := elements(root, "script"), elements(root, "style")
	own := scripts[len(scripts)-1]
	if len(scripts) > 2 || len(styles) != 1 {
		t.Fatalf("%d scripts and %d style sheets", len(scripts), len(styles))
	}
	policy := attribute(elements(root, "meta")[1], "content")
	for _, want := range []string{"default-src 'none'", "style-src " + hash(styles[0]), "script-src " + hash(own)} {
		if !strings.Contains(policy, want+";") {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy allows too much: %s", policy)
	}
	if len(scripts) == 2 && !json.Valid([]byte(scripts[0].FirstChild.Data)) {
		t.Error("the data are no JSON")
	}
}

// hash returns the source expression of an element's text.
func hash(n *html.Node) string {
	sum := sha256.Sum256([]byte(n.FirstChild.Data))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func TestSound(t *testing.T) {
	for name, doc := range map[string]*scope.Document{
		"outbreak": outbreakOf(24, 6, 60), "one": outbreakOf(1, 0, 0), "suspected": outbreakOf(0, 3, 1),
		"quiet": quiet(), "exploited": exploited(), "empty": {}, "half": {Capture: scope.CaptureSummary{First: new(start), Packets: 1}}, "hostile": hostileDocument(hostile), "many": outbreakOf(600, 100, 100),
	} {
		t.Run(name, func(t *testing.T) { sound(t, render(t, doc)) })
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	root := parse(t, render(t, outbreakOf(24, 6, 60)))
	ids := map[string]bool{}
	for _, n := range elements(root, "") {
		ids[attribute(n, "id")] = true
	}
	links := 0
	for _, a := range elements(root, "a") {
		links++
		if target := strings.TrimPrefix(attribute(a, "href"), "#"); !ids[target] {
			t.Errorf("the link %q leads nowhere", target)
		}
	}
	if links < 30 {
		t.Errorf("only %d links: those of the tree are missing", links)
	}
}

func TestHostileNamesStayText(t *testing.T) {
	page := render(t, hostileDocument(hostile))
	if strings.Contains(page, "<img") || strings.Contains(page, "\u202e") {
		t.Error("a name became markup, or turns the text around")
	}
	if n := len(elements(parse(t, page), "script")); n != 2 {
		t.Errorf("%d scripts, want the data and our own", n)
	}
}

// TestReadBack checks that the report rests on what the JSON form holds.
func TestReadBack(t *testing.T) {
	doc := outbreakOf(40, 6, 60)
	if once, again := render(t, doc), render(t, readBack(t, doc)); once != again {
		t.Errorf("a document that was read back gives another report:\n%s", cmp.Diff(strings.Split(once, "\n"), strings.Split(again, "\n")))
	}
}

func TestSameDocumentSameBytes(t *testing.T) {
	doc := outbreakOf(1, 60, 60) // hosts without relations, in several zones
	first := render(t, doc)
	for range 20 {
		if render(t, doc) != first {
			t.Fatal("the same document gave other bytes")
		}
	}
}

func TestSizeIsBounded(t *testing.T) {
	doc := outbreakOf(1500, 500, 3000)
	if n := len(render(t, doc)); n > 10_000_000 {
		t.Errorf("a report on 5,000 hosts takes %d bytes", n)
	}
	for i := range doc.Hosts { // as many facts as the ledger keeps
		for range 64 {
			doc.Hosts[i].Facts = append(doc.Hosts[i].Facts, doc.Hosts[i].Facts[0])
		}
	}
	page := render(t, doc)
	if n := len(page); n > 10_000_000 {
		t.Errorf("a report on 5,000 hosts with all facts takes %d bytes", n)
	}
	if !strings.Contains(page, "more in the scope document") {
		t.Error("the report does not say that it leaves facts out")
	}
	for len(doc.Hosts) < 200_000 {
		doc.Hosts = append(doc.Hosts, doc.Hosts[:5000]...)
	}
	if n := len(render(t, doc)); n > 20_000_000 {
		t.Errorf("a report on 200,000 hosts takes %d bytes", n)
	}
}

func TestWriteFails(t *testing.T) {
	full := errors.New("no space")
	if err := report.Write(failing{full}, outbreakOf(3, 1, 4), report.Options{}); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	if err := report.Write(&bytes.Buffer{}, nil, report.Options{}); err == nil {
		t.Error("no document and no error")
	}
}

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzWrite writes a report on hosts with any name, at any time, infected by
// any of each other.
func FuzzWrite(f *testing.F) {
	f.Add(hostile, int64(1_767_600_000), int64(60), .9, uint64(0x0123456789abcdef))
	f.Add("", int64(-62_135_596_800), int64(1<<40), 1e300, uint64(0))
	f.Add("<!--<script>", int64(1<<61), int64(-5), -1.0, ^uint64(0))
	at := func(second int64) time.Time { // in the years that a document can hold
		return time.Unix(max(-62_167_219_200, min(253_402_300_799, second)), 0).UTC()
	}
	f.Fuzz(func(t *testing.T, name string, second, apart int64, confidence float64, sources uint64) {
		doc := hostileDocument(name)
		for i := range doc.Hosts {
			h := &doc.Hosts[i]
			if i%3 < 2 {
				h.Since = new(at(second + int64(i)*apart))
			}
			h.FirstSeen, h.LastSeen = at(second-apart), at(second)
			h.IP = fmt.Sprintf("10.0.0.%d", i)
			h.InfectedBy = nil
			for bits := sources >> (8 * i); bits&3 != 0; bits >>= 2 {
				h.InfectedBy = append(h.InfectedBy, scope.Source{IP: fmt.Sprintf("10.0.0.%d", bits&15), Confidence: confidence})
			}
		}
		sound(t, render(t, doc))
	})
}

// TestJointLedger: how many packets sensors saw is not known. The page says what
// the text says, who told it, rather than that nothing was read.
func TestJointLedger(t *testing.T) {
	doc := outbreakOf(5, 2, 6)
	doc.Capture.Packets, doc.Capture.Bytes, doc.Capture.Sensors = 0, 0, []string{"border", "office\u202e"}
	page := text(parse(t, render(t, doc)))
	if want := "2 sensors: border, office?"; !strings.Contains(page, want) {
		t.Errorf("the page lacks %q", want)
	}
	if wrong := "Read 0 packets"; strings.Contains(page, wrong) {
		t.Errorf("the page says %q", wrong)
	}
}

// TestSaysWhatItLeavesOut: rows beyond those of a table are counted.
func TestSaysWhatItLeavesOut(t *testing.T) {
	doc := outbreakOf(5, 2, 6)
	for i := range 203 {
		doc.Marks = append(doc.Marks, scope.MarkItem{IP: "10.10.0.14", Zone: "office", Mark: scope.Isolated, At: at(5)})
		doc.Borders = append(doc.Borders, scope.Border{From: "office", To: "plant", Port: uint16(i + 1), Holds: true, First: at(5), Last: at(6)})
	}
	page := text(parse(t, render(t, doc)))
	if got := strings.Count(page, "3 more are in the scope document."); got != 2 {
		t.Errorf("the page says of %d tables how much more there is, want of 2", got)
	}
}
