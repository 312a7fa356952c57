package report

import (
	"cmp"
	"html/template"
	"strings"
	"time"

	"wormscope/internal/plural"
	"wormscope/scope"
)

// A page is everything that the template shows.
type page struct {
	Style   template.CSS
	Script  template.JS
	Policy  string // Content-Security-Policy
	Version string

	Level   string // the worst state, targeted only where an exploit was tried; "clear", or "nothing" when there was nothing to judge, or nothing is known
	Verdict string // the answer
	Also    string // what else matters
	Blank   bool   // there was nothing to judge
	Capture *scope.CaptureSummary
	Sensors string // that told the ledger, where it did not see the packets itself
	Files   []string
	Period  string // how long the capture is
	Size    string
	First   *scope.HostEntry // the first sign of the worm
	Switch  string           // what became of the lookups of kill-switch names
	Tiles   []tile
	Steps   []step
	Curve   *curve
	Tree    *tree
	Zones   []scope.ZoneSummary
	Matrix  *matrix

	Hosts     []scope.HostEntry // those that show without a script
	HostCount int               // in the document
	InTable   int               // hosts that the table can show
	AnyPatch  bool              // the patch state of one of these is known
	AnySource bool              // the source of one of these is known
	Data      *hostData

	Scanners    []scannerTable
	Marks       []scope.MarkItem
	MarksMore   int
	Borders     []scope.Border
	BordersMore int
	Attacks     []scope.Attack
	AttacksMore int
	Blind       []string
}

// A scannerTable lists scanners of one kind, the first rows of it.
type scannerTable struct {
	Title, Note string
	Rows        []scope.Scanner
	More        int
	Page        *page
}

// scanners adds a table of scanners, if there are any.
func (p *page) scanners(title, note string, list []scope.Scanner) {
	if len(list) == 0 {
		return
	}
	rows, more := firstRows(list)
	p.Scanners = append(p.Scanners, scannerTable{title, note, rows, more, p})
}

// firstRows returns the first rows of a list, and how many there are more.
func firstRows[T any](list []T) (rows []T, more int) {
	rows = list[:min(len(list), staticRows)]
	return rows, len(list) - len(rows)
}

// A tile is one number that sums up.
type tile struct {
	Number uint64
	Label  string
	State  string // its colour; empty for none
	Note   string
}

// How many rows show without the script, and of what only has a table.
const (
	staticHosts = 200
	staticRows  = 200
	staticFacts = 6 // of one host
)

// newPage works out the page.
func newPage(doc *scope.Document, o Options) (*page, error) {
	style, script, policy, err := readEmbedded()
	if err != nil {
		return nil, err
	}
	p := &page{
		Style: style, Script: script, Policy: policy, Version: o.Version,
		Level: level(doc), Blank: doc.Blank(), Capture: &doc.Capture, Size: size(doc.Capture.Bytes), First: doc.FirstSign(), Switch: doc.KillSwitches(),
		Tiles: tiles(doc), Steps: advice(doc), Curve: newCurve(doc), Tree: newTree(doc),
		Matrix: newMatrix(doc), Blind: doc.BlindSpots(),
		HostCount: len(doc.Hosts), InTable: min(len(doc.Hosts), maxHosts),
	}
	p.Marks, p.MarksMore = firstRows(doc.Marks)
	p.Borders, p.BordersMore = firstRows(doc.Borders)
	p.Attacks, p.AttacksMore = firstRows(doc.Attacks)
	if names := doc.Capture.Sensors; len(names) > 0 {
		p.Sensors = counted(len(names), "sensor") + ": " + clean(strings.Join(names, ", "))
	}
	p.scanners("Outside scanners", "Those that attacked first, then those that got answers.", doc.External)
	p.scanners("Scan or check from inside", "They are not suspected: nearly all answered, or they only checked.", doc.Internal)
	p.Verdict, p.Also, _ = strings.Cut(doc.Verdict(), " Also: ")
	if p.Also != "" {
		p.Also = "Also: " + p.Also
	}
	for _, f := range doc.Capture.Files {
		p.Files = append(p.Files, clean(f))
	}
	if doc.Capture.First != nil && doc.Capture.Last != nil {
		p.Period = span(doc.Capture.Last.Sub(*doc.Capture.First))
	}
	if len(doc.Zones) > 1 {
		p.Zones = doc.Zones
	}
	p.Hosts = doc.Hosts[:min(len(doc.Hosts), staticHosts)]
	for i := range p.InTable {
		p.AnyPatch = p.AnyPatch || doc.Hosts[i].Patch != "unknown"
		p.AnySource = p.AnySource || len(doc.Hosts[i].InfectedBy) > 0
	}
	p.Data = newHostData(doc.Hosts[:p.InTable])
	if len(p.Files) == 1 {
		p.Data.File = p.Files[0]
	}
	return p, nil
}

// Columns returns how many columns the table of hosts shows on a desk.
func (p *page) Columns() int {
	n := 6
	if p.AnyPatch {
		n++
	}
	if p.AnySource {
		n++
	}
	return n
}

// level names the worst that there is.
func level(doc *scope.Document) string {
	switch n := &doc.Totals; {
	case n.Infected > 0:
		return "infected"
	case n.Suspected > 0:
		return "suspected"
	case n.Exploited+n.Attacked > 0:
		return "targeted"
	case doc.Blank(), doc.OthersOnly(), doc.UnseenOnly():
		return "nothing"
	default:
		return "clear"
	}
}

// tiles sums up.
func tiles(doc *scope.Document) []tile {
	n, scanners := &doc.Totals, "block at the border"
	if _, not := doc.ToBlock(); len(not) > 0 {
		scanners = "not all to be blocked"
	}
	tried := "tried, no sign of their own"
	if n.Exploited > 0 {
		tried = grouped(n.Exploited) + " of them exploited: examine"
	}
	return []tile{
		{n.Infected, "infected", "infected", "isolate now"},
		{n.Suspected, "suspected", "suspected", "examine"},
		{n.Targeted, "targeted", "targeted", tried},
		{n.SMBExposed, plural.Word(n.SMBExposed, "answers", "answer") + " on SMB", "exposed", "TCP 445 or 139"},
		{n.FromInternet, plural.Word(n.FromInternet, "answers", "answer") + " the internet", "exposed", "on SMB: take off the net"},
		{n.External, "outside " + plural.Word(n.External, "scanner", "scanners"), "", scanners},
	}
}

// A factList is the facts of a host that show without the script.
type factList struct {
	Facts []*scope.FactItem
	More  int // that it leaves out
}

// With returns the facts of a host.
func (*page) With(h scope.HostEntry) factList {
	list := strongest(h.Facts, staticFacts)
	return factList{list, h.LeftOut + len(h.Facts) - len(list)}
}

// Ports writes a few ports.
func (*page) Ports(list []uint16) string { return cmp.Or(scope.Ports(list, 6), "many") }

// Main returns what tells best what is wrong with a host.
func (*page) Main(h scope.HostEntry) string {
	if f := h.MainFact(); f != nil {
		return clean(f.Detail)
	}
	return ""
}

// HostID is the id of a host's row.
func (*page) HostID(ip string) string { return hostID(ip) }

// Lasted returns how long something lasted, empty when it was a moment.
func (*page) Lasted(first, last time.Time) string {
	if d := last.Sub(first); d >= time.Second {
		return span(d)
	}
	return ""
}
