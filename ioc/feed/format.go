package feed

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Format is the format of a feed.
type Format uint8

// The formats.
const (
	Auto     Format = iota // recognise it
	Plain                  // one entry a line, or a hosts file
	CSV                    // with a header
	Zeek                   // Zeek intel: tab separated, with #fields
	MISP                   // events as JSON
	STIX                   // bundles of STIX 2
	Spamhaus               // one JSON object a line
	RPZ                    // a response policy zone
	numFormats
)

// formatNames are the names of the formats.
const formatNames = "auto, plain, csv, zeek, misp, stix, spamhaus or rpz"

// String returns the name of the format, as ParseFormat reads it.
func (f Format) String() string {
	names := [numFormats]string{"auto", "plain", "csv", "zeek", "misp", "stix", "spamhaus", "rpz"}
	return names[min(f, numFormats-1)]
}

// ParseFormat returns the format of a name: auto, plain, csv, zeek, misp, stix, spamhaus
// or rpz.
func ParseFormat(name string) (Format, error) {
	for f := range numFormats {
		if strings.EqualFold(name, f.String()) {
			return f, nil
		}
	}
	return Auto, fmt.Errorf("unknown feed format %q: %s", name, formatNames)
}

// A layout is what was found out about a feed before it is read.
type layout struct {
	format Format
	table  table // of a CSV feed
}

// recognise finds out the format of a feed by its beginning.
func recognise(head []byte, o Options) (layout, error) {
	if err := refuse(head); err != nil {
		return layout{}, err
	}
	format := o.Format
	if format == Auto && o.Columns != (Columns{}) {
		format = CSV
	}
	switch found, what := structured(head); {
	case found == Auto && what != "":
		return layout{}, fmt.Errorf("is %s, a format that is not read", what)
	case found == Auto:
	case format == Auto, format == found:
		return layout{format: found}, nil
	default: // read as lines, it would give exceptions and descriptions
		return layout{}, fmt.Errorf("is %s, not %s", what, format)
	}
	text := strings.TrimPrefix(string(head), "\ufeff")
	if format == Auto || format == CSV {
		t, err := findTable(text, o.Columns)
		switch {
		case err == nil && (format == CSV || !isZeek(text)):
			return layout{CSV, t}, nil
		case format == CSV:
			return layout{}, err
		}
	}
	if format == Auto {
		format = Plain
		if isZeek(text) {
			format = Zeek
		}
	}
	return layout{format: format}, nil
}

// isZeek reports whether a feed begins with the header of Zeek's input
// framework.
func isZeek(text string) bool {
	for text != "" {
		var first string
		first, text, _ = strings.Cut(text, "\n")
		if strings.HasPrefix(first, "#fields\t") {
			return true
		}
		if first = strings.TrimSpace(first); first != "" && first[0] != '#' {
			return false
		}
	}
	return false
}

// refuse returns an error for what is not text, and says what it is.
func refuse(head []byte) error {
	magics := []struct{ magic, what string }{
		{"\x50\x4b\x03\x04", "a zip archive: unpack it first"},
		{"\xfd7zXZ\x00", "an xz file: unpack it first"},
		{"BZh", "a bzip2 file: unpack it first"},
		{"\xa1\xb2\xc3\xd4", "a packet capture, not a feed"},
		{"\xd4\xc3\xb2\xa1", "a packet capture, not a feed"},
		{"\xa1\xb2\x3c\x4d", "a packet capture, not a feed"},
		{"\x4d\x3c\xb2\xa1", "a packet capture, not a feed"},
		{"\x0a\x0d\x0d\x0a", "a packet capture, not a feed"},
		{"\xff\xfe", "UTF-16 text: save it as UTF-8"},
		{"\xfe\xff", "UTF-16 text: save it as UTF-8"},
		{"%PDF", "a PDF document"},
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return errors.New("is " + m.what)
		}
	}
	if at := bytes.IndexByte(head, 0); at >= 0 {
		return fmt.Errorf("is a binary file (byte 0 at offset %d)", at)
	}
	return nil
}

// structured tells formats that are not lists of lines, and what a feed in one is. Of
// those that are not read the format is Auto.
func structured(head []byte) (format Format, what string) {
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff")))
	has := func(parts ...string) bool {
		for _, p := range parts {
			if !bytes.Contains(text, []byte(p)) {
				return false
			}
		}
		return true
	}
	switch {
	case len(text) == 0:
	case text[0] == '{' || text[0] == '[' && isJSONArray(text):
		bundle, event := bytes.Index(text, []byte(`"bundle"`)), bytes.Index(text, []byte(`"Event"`))
		switch {
		case bundle >= 0 && (event < 0 || bundle < event), has(`"objects"`, `"spec_version"`):
			return STIX, "a STIX bundle"
		case event >= 0, has(`"Attribute"`, `"to_ids"`):
			return MISP, "a MISP event"
		case has(`"Orgc"`, `"threat_level_id"`):
			return MISP, "a manifest of MISP"
		case has(`"cidr"`, `"sblid"`), has(`"asn"`, `"asname"`):
			return Spamhaus, "Spamhaus NDJSON"
		}
		return Auto, "JSON"
	case text[0] == '<':
		return Auto, "an HTML or XML document"
	case isZone(string(text)):
		return RPZ, "an RPZ zone"
	case has("alert ", "msg:", "sid:"):
		return Auto, "a Suricata or Snort rule file"
	}
	return Auto, ""
}

// isZone reports whether a text is part of a zone file: it has a directive, an SOA
// record, or a CNAME record whose name ends with a dot. If such a file was read as a
// plain list, the exceptions in it would become indicators.
func isZone(text string) bool {
	for line := range strings.Lines(text) {
		if line, _, _ = strings.Cut(line, ";"); line == "" {
			continue
		}
		fields := strings.Fields(strings.ToUpper(line))
		if len(fields) > 1 && (fields[0] == "$TTL" || fields[0] == "$ORIGIN") {
			return true
		}
		if len(fields) > 0 && line[0] != ' ' && line[0] != '\t' {
			fields = fields[1:] // the name
		}
		for len(fields) > 0 && (fields[0] == "IN" || isDigit(fields[0][0]) && strings.Trim(fields[0], "0123456789SMHDW") == "") {
			fields = fields[1:]
		}
		if len(fields) == 2 && fields[0] == "CNAME" && strings.HasSuffix(fields[1], ".") || len(fields) > 2 && fields[0] == "SOA" {
			return true
		}
	}
	return false
}

// isJSONArray tells a JSON array from an IPv6 address in brackets.
func isJSONArray(text []byte) bool {
	rest := bytes.TrimSpace(text[1:])
	return len(rest) == 0 || bytes.IndexByte([]byte(`{["]`), rest[0]) >= 0
}
