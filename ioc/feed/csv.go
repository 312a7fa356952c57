package feed

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormscope/ioc"
)

// readCSV reads the rows of a table.
func (c *collector) readCSV(lines *lineReader, t table) error {
	var fields []string
	return c.eachLine(lines, func(l line) error {
		if strings.TrimSpace(l.text) == "" {
			return nil
		}
		if l.text[0] == '#' || l.number < t.header || l.number == t.header && !c.isRow(l.text, &t) {
			c.file.remarks++
			return nil
		}
		var state rowState
		fields, state = splitFields(l.text, t.delimiter, fields[:0])
		if state == rowOpen {
			fields, state = joinLines(lines, l, &t, fields)
		}
		if state != rowWhole {
			c.skip(reasonQuote, l)
			return nil
		}
		return c.readRow(fields, &t, l)
	})
}

// A rowState says whether a text is a whole row.
type rowState uint8

const (
	rowWhole  rowState = iota
	rowOpen            // a quote is not closed yet
	rowBroken          // there is text between the end of a quoted field and the delimiter
)

// joinLines reads the further lines of a quoted field that goes over several lines.
// If the quote is not closed properly within a bound, the lines after the first are
// unread, to be read as rows of their own.
func joinLines(lines *lineReader, first line, t *table, fields []string) ([]string, rowState) {
	const most = 50 // lines of a field
	text, state := first.text, rowOpen
	var read []line
	for len(read) < most && len(text) <= maxLine && state == rowOpen {
		l, err := lines.next()
		if err != nil { // the end, which next returns again, or a long line, which is lost with the row
			break
		}
		read = append(read, l)
		text += "\n" + l.text
		if strings.IndexByte(l.text, '"') >= 0 { // else nothing closes the field
			fields, state = splitFields(text, t.delimiter, fields[:0])
		}
	}
	if state != rowWhole {
		for _, l := range slices.Backward(read) {
			lines.unread(l)
		}
	}
	return fields, state
}

// splitFields appends the fields of a row (RFC 4180, but with blanks allowed
// around quotes, and quotes inside of fields that are not quoted).
func splitFields(row string, delimiter byte, fields []string) ([]string, rowState) {
	for {
		row = strings.TrimLeft(row, " ")
		var field string
		if strings.HasPrefix(row, `"`) {
			var ok bool
			if field, row, ok = cutQuoted(row[1:]); !ok {
				return fields, rowOpen
			}
			if row = strings.TrimLeft(row, " "); row != "" && row[0] != delimiter {
				return fields, rowBroken
			}
		}
		end := strings.IndexByte(row, delimiter)
		if end < 0 {
			return append(fields, strings.TrimSpace(field+row)), rowWhole
		}
		if end > 0 {
			field = row[:end] // not quoted
		}
		fields = append(fields, strings.TrimSpace(field))
		row = row[end+1:]
	}
}

// cutQuoted cuts a field at the quote that closes it; "" stands for a quote.
func cutQuoted(text string) (field, rest string, ok bool) {
	pairs := false
	for end := 0; ; end += 2 {
		next := strings.IndexByte(text[end:], '"')
		if next < 0 {
			return "", "", false
		}
		if end += next; end+1 < len(text) && text[end+1] == '"' {
			pairs = true
			continue
		}
		if field = text[:end]; pairs {
			field = strings.ReplaceAll(field, `""`, `"`)
		}
		return field, text[end+1:], true
	}
}

// get returns the first field of a role that is not empty or a word for that.
func (t *table) get(fields []string, r role) string {
	for _, at := range t.columns[r] {
		if at < len(fields) && !saysNothing(fields[at]) {
			return fields[at]
		}
	}
	return ""
}

// saysNothing reports whether a field is empty or one of the words for that.
func saysNothing(field string) bool {
	switch field {
	case "", "-", "None", "none", "null", "NULL", "N/A", "n/a":
		return true
	}
	return false
}

// readRow reads the entries of a row.
func (c *collector) readRow(fields []string, t *table, l line) error {
	if len(fields) <= t.columns[roleIndicator][0] {
		c.skip(reasonColumns, l)
		return nil
	}
	if kind := t.get(fields, roleType); !t.watches(kind) {
		c.skip(Reason(unwatchedType+printable(kind)), l)
		return nil
	}
	if detect := t.get(fields, roleDetect); detect == "0" || strings.EqualFold(detect, "false") {
		c.skip(reasonUndetected, l)
		return nil
	}
	if c.isSharedPage(fields, t) {
		c.skip(reasonShared, l)
		return nil
	}
	said := c.base
	said.Description = t.get(fields, roleDescription)
	said.Reference = t.get(fields, roleReference)
	said.FirstSeen = parseTime(t.get(fields, roleFirstSeen))
	said.Expires = c.expiry(t.get(fields, roleExpires), l)
	said.Class = c.class(fields, t, l)
	if confidence := t.confidence(fields); confidence != ioc.NotSpecified {
		said.Confidence = confidence
	}
	var port uint16
	if text := t.get(fields, rolePort); text != "" && text != "0" {
		var reason Reason
		if port, reason = parsePort(":" + text); reason != "" {
			c.skip(reason, l)
			return nil
		}
	}
	some := false
	for _, at := range t.columns[roleIndicator] {
		if at >= len(fields) || saysNothing(fields[at]) {
			continue
		}
		some = true
		for _, value := range unpipe(fields[at]) {
			if err := c.add(value, &said, port, l); err != nil {
				return err
			}
		}
	}
	if !some {
		c.skip(reasonEmpty, l)
	}
	return nil
}

// isSharedPage reports whether a row with several indicators is about a page of a host
// that many share. Then its name and address are those of that host, which is as
// harmless as without them.
func (c *collector) isSharedPage(fields []string, t *table) bool {
	columns := t.columns[roleIndicator]
	return len(columns) > 1 && slices.ContainsFunc(columns, func(at int) bool {
		if at >= len(fields) || strings.IndexByte(fields[at], '/') < 0 {
			return false
		}
		_, reason := c.parse(fields[at])
		return reason == reasonShared
	})
}

// confidence returns the first confidence that a row states. Here "none" is a value,
// and does not mean that the field is empty.
func (t *table) confidence(fields []string) ioc.Confidence {
	for _, at := range t.columns[roleConfidence] {
		if at >= len(fields) {
			continue
		}
		if confidence := parseConfidence(fields[at]); confidence != ioc.NotSpecified {
			return confidence
		}
	}
	return ioc.NotSpecified
}

// class returns the class that a row states, else that of the feed. It notes rows with
// a class that is not understood.
func (c *collector) class(fields []string, t *table, l line) ioc.Class {
	word := t.get(fields, roleClass)
	class, ok := classOf(cmp.Or(word, t.get(fields, roleThreat)))
	switch {
	case ok:
		return class
	case word != "":
		c.file.Unclassed.add(l.number, l.text)
	}
	return c.base.Class
}

// expiry reads when an entry expires. It notes rows where that is not understood;
// their entries never expire.
func (c *collector) expiry(text string, l line) time.Time {
	at := parseTime(text)
	if at.IsZero() && text != "" && text != "0" && !strings.EqualFold(text, "never") {
		c.file.Undated.add(l.number, l.text)
	}
	return at
}

// parseConfidence reads a number from 0 to 100, on the scale of STIX 2.1
// (appendix A), a share from 0.0 to 1.0, which has a point, or a word.
func parseConfidence(text string) ioc.Confidence {
	const low, medium, high = 1, 30, 70
	if n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64); err == nil && !math.IsNaN(n) {
		if n <= 1 && strings.Contains(text, ".") && !strings.HasSuffix(text, "%") {
			n *= 100
		}
		switch {
		case n >= high:
			return ioc.HighConfidence
		case n >= medium:
			return ioc.MediumConfidence
		case n >= low:
			return ioc.LowConfidence
		}
		return ioc.None
	}
	for c := ioc.None; c <= ioc.HighConfidence; c++ {
		if strings.EqualFold(text, c.String()) {
			return c
		}
	}
	return ioc.NotSpecified
}

// parseTime reads a time in one of the forms that feeds have; without a zone it is
// UTC. It returns the zero time for what is no time, for one before 1990, and for
// forms of which it is not clear whether day or month comes first.
func parseTime(text string) time.Time {
	const oldest, newest = 631152000, 253402300799 // 1990, 9999
	const date, moment = "20060102", "20060102150405"
	text = strings.TrimSuffix(text, " UTC")
	if text == "" {
		return time.Time{}
	}
	// Unix seconds of the years that feeds have are of 9 or 10 digits, and Unix
	// milliseconds of 12 or 13.
	isDate := len(text) == len(date) || len(text) == len(moment)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && !isDate {
		if n > newest {
			n /= 1000 // milliseconds
		}
		if n < oldest || n > newest {
			return time.Time{}
		}
		return time.Unix(n, 0).UTC()
	}
	for _, form := range []string{
		time.DateTime, time.RFC3339, "2006-01-02T15:04:05", time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", "2006/01/02",
		"2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 Z0700", date, moment,
	} {
		if t, err := time.Parse(form, text); err == nil && t.Unix() >= oldest {
			return t.UTC().Truncate(time.Second)
		}
	}
	return time.Time{}
}
