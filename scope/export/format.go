package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"wormscope/internal/visible"
)

// Format is a format that lists are written in.
type Format string

// The formats.
const (
	CSV      Format = "csv"
	JSON     Format = "json"
	NFTables Format = "nftables"
	IPSet    Format = "ipset"
	RPZ      Format = "rpz"
	Cisco    Format = "cisco"
)

// Formats returns all formats.
func Formats() []Format { return []Format{CSV, JSON, NFTables, IPSet, RPZ, Cisco} }

// Check reports whether a list for a purpose can be written in a format without
// doing harm.
func (f Format) Check(p Purpose) error {
	if f == RPZ && p == ToIsolate {
		return errors.New("a name server that does not answer infected hosts takes the kill switch from them, which sets a dormant worm going, and stops none that scans addresses")
	}
	return nil
}

// For returns the list with only the entries that a format can express: a packet
// filter knows no names, and a name server does not see scans. The others are in
// LeftOut, with the reason.
func (l *List) For(f Format) List {
	out := *l
	out.Entries = []Entry{}
	out.LeftOut = append([]LeftOut{}, l.LeftOut...)
	for i := range l.Entries {
		e := &l.Entries[i]
		if why := e.unfit(f); why != "" {
			out.LeftOut = append(out.LeftOut, LeftOut{e.Value(), why})
			continue
		}
		out.Entries = append(out.Entries, *e)
	}
	return out
}

// unfit returns why a format can't hold an entry, empty if it can.
func (e *Entry) unfit(f Format) string {
	switch f {
	case NFTables, IPSet, Cisco:
		if e.Name != "" {
			return "is a name: block it on the name servers (rpz)"
		}
	case RPZ:
		switch {
		case e.Scans:
			return "only scans: block it in a packet filter"
		case len(e.Name) > maxZoneName:
			return "is too long for a name in a zone"
		case triggers(e.Name):
			return "is no name in such a zone, but a rule of its own"
		}
	case CSV, JSON:
	}
	return ""
}

// Write writes a list that For has made for the format. In formats with comments these
// say why each entry is there, and what was left out.
func (l *List) Write(w io.Writer, f Format) error {
	out := new(bytes.Buffer)
	err := f.Check(l.Purpose)
	if err != nil {
		return err
	}
	switch f {
	case CSV:
		err = l.writeCSV(out)
	case JSON:
		err = l.writeJSON(out)
	case NFTables:
		l.writeNFTables(out)
	case IPSet:
		l.writeIPSet(out)
	case RPZ:
		l.writeRPZ(out)
	case Cisco:
		l.writeCisco(out)
	default:
		return fmt.Errorf("unknown format %q", f)
	}
	if err != nil {
		return err
	}
	_, err = out.WriteTo(w)
	return err
}

// comments writes what the list is, and what is not in it, after a sign that
// begins a comment.
func (l *List) comments(w *bytes.Buffer, sign string) {
	what := "inside hosts to isolate"
	if l.Purpose == ToBlock {
		what = "outside addresses and names to block"
	}
	if !l.At.IsZero() {
		what += ", as of " + stamp(l.At)
	}
	fmt.Fprintf(w, "%s wormscope: %s: %d\n", sign, what, len(l.Entries))
	for i := range l.LeftOut {
		fmt.Fprintf(w, "%s left out: %s %s\n", sign, ascii(l.LeftOut[i].Value, maxComment), ascii(l.LeftOut[i].Reason, maxComment))
	}
}

// writeCSV writes RFC 4180 with a header line.
func (l *List) writeCSV(w *bytes.Buffer) error {
	c := csv.NewWriter(w)
	head := []string{"type", "value", "state", "confidence", "zone", "first_seen", "last_seen", "marks", "reason", "role"}
	if err := c.Write(head); err != nil {
		return err
	}
	for i := range l.Entries {
		e := &l.Entries[i]
		confidence := ""
		if e.State != "" {
			confidence = strconv.FormatFloat(e.Confidence, 'f', -1, 64)
		}
		row := []string{
			e.kind(), cell(e.Value()), e.State, confidence, cell(e.Zone),
			stamp(e.First), stamp(e.Last), cell(strings.Join(e.Marks, " ")), cell(e.Reason), cell(strings.Join(e.Role, " ")),
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// cell quotes text that a spreadsheet would take for a formula, and keeps it in one
// line. Where full-width letters are written, spreadsheets know full-width signs, too.
func cell(s string) string {
	s = oneLine(s)
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + s
	}
	return s
}

// kind returns address or domain.
func (e *Entry) kind() string {
	if e.Addr.IsValid() {
		return "address"
	}
	return "domain"
}

// MarshalJSON writes an entry as docs/export.md describes it.
func (e Entry) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type       string    `json:"type"`
		Value      string    `json:"value"`
		Exact      bool      `json:"exact,omitempty"`
		State      string    `json:"state,omitempty"`
		Confidence float64   `json:"confidence,omitempty"`
		Zone       string    `json:"zone,omitempty"`
		First      time.Time `json:"first_seen"`
		Last       time.Time `json:"last_seen"`
		Marks      []string  `json:"marks,omitempty"`
		Reason     string    `json:"reason"`
		Role       []string  `json:"role,omitempty"`
	}{e.kind(), e.Value(), e.Exact, e.State, e.Confidence, e.Zone, e.First.UTC(), e.Last.UTC(), e.Marks, e.Reason, e.Role})
}

// writeJSON writes one document.
func (l *List) writeJSON(w *bytes.Buffer) error {
	type list List
	e := json.NewEncoder(visible.NewWriter(w))
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(struct {
		Version int `json:"version"`
		*list
	}{1, (*list)(l)})
}

// stamp writes a time, nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// oneLine replaces control characters in text that may come from an attacker, so that
// it can't end a comment or command a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, s)
}

// ascii is oneLine for programs that take only ASCII, cut to a length.
func ascii(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '?' {
			return '.'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// split returns the IPv4 and the IPv6 addresses of the list.
func (l *List) split() (v4, v6 []*Entry) {
	for i := range l.Entries {
		switch e := &l.Entries[i]; {
		case e.Addr.Is4():
			v4 = append(v4, e)
		case e.Addr.Is6():
			v6 = append(v6, e)
		}
	}
	return v4, v6
}

// serial returns a zone's serial number (RFC 1912): the time of the list, so
// that a later list has a higher one.
func (l *List) serial() uint32 {
	return uint32(min(max(l.At.Unix(), 1), math.MaxUint32))
}
