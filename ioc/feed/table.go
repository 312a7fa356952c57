package feed

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"wormscope/ioc"
)

// A role is what a column of a table is for.
type role uint8

const (
	roleNone role = iota
	roleIndicator
	roleType
	rolePort
	roleDescription
	roleReference
	roleConfidence
	roleClass
	roleThreat // a feed's own word for the class, which is mostly none of ours
	roleFirstSeen
	roleExpires
	roleDetect // whether to detect it at all: to_ids of MISP
)

// A table is the layout of a CSV feed.
type table struct {
	delimiter byte
	width     int            // columns in the header
	columns   map[role][]int // by role, the best first; several indicators in a row are several entries
	header    int            // line of the header
	known     int            // columns with well-known names
	mixed     bool           // the indicators are of any kind: their types say which
	numbered  bool           // the column of the indicators was named by its number
}

// wellKnown returns the names that columns have in public feeds, lower-case
// and with '_' for '-' and ' ', the best first.
func wellKnown(r role) []string {
	switch r {
	case roleIndicator:
		return []string{
			"indicator", "ioc_value", "ioc", "indicator_value", "value", "observable",
			"domain", "domain_name", "domains", "fqdn", "hostname", "host", "dns",
			"ip", "dst_ip", "dstip", "dest_ip", "destination_ip", "src_ip", "ip_address", "ipaddress", "ip_dst", "ipv4", "ipv6",
			"address", "c2", "cidr", "network", "prefix", "subnet", "netblock", "url", "uri",
		}
	case roleType:
		return []string{"ioc_type", "indicator_type", "type", "observable_type"}
	case rolePort:
		return []string{"port", "dst_port", "dstport", "dest_port", "destination_port"}
	case roleDescription:
		return []string{
			"malware_printable", "malware", "malware_family", "family", "description", "desc", "comment",
			"threat", "threat_type", "campaign", "tags", "label", "note", "category",
		}
	case roleReference:
		return []string{"reference", "references", "urlhaus_link", "link", "source_url", "report"}
	case roleConfidence:
		return []string{"confidence", "confidence_level", "score"}
	case roleClass:
		return []string{"class", "indicator_class"}
	case roleThreat:
		return []string{"threat_type"}
	case roleFirstSeen:
		return []string{"first_seen", "first_seen_utc", "firstseen", "dateadded", "date_added", "first_seen_at"}
	case roleExpires:
		return []string{"valid_until", "expires", "expiry", "expiration", "expiration_date", "expires_at"}
	case roleDetect:
		return []string{"to_ids"}
	default:
		return nil
	}
}

// columnName brings a name of a header into the form of wellKnown.
func columnName(field string) string {
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(field)))
}

// isColumnName reports whether a text is a well-known name of a column of
// indicators.
func isColumnName(text string) bool {
	return slices.Contains(wellKnown(roleIndicator), columnName(text))
}

var errNoHeader = errors.New("no CSV header with a column of indicators was found: name the columns")

// findTable finds the header at the beginning of a feed. It may be in a comment, as in
// feeds of abuse.ch.
func findTable(text string, by Columns) (table, error) {
	const most = 200 // lines of comments before the header
	rest, delimiters := text, ",\t;|"
	for number := 1; number <= most && rest != ""; number++ {
		var first string
		first, rest, _ = strings.Cut(rest, "\n")
		if d, ok := strings.CutPrefix(strings.TrimSuffix(first, "\r"), "sep="); ok && len(d) == 1 && number == 1 {
			delimiters = d // as Excel wants it
			continue
		}
		if first = strings.TrimSpace(first); first == "" {
			continue
		}
		t, err := headerTable(first, rest, delimiters, by)
		if err == nil {
			t.header = number
			return t, nil
		}
		if first[0] != '#' {
			return table{}, err
		}
	}
	return table{}, errNoHeader
}

// headerTable makes the table for the line first, if that is a header, with the
// delimiter that fits; rest is what follows that line. A line with two well-known
// names is taken for a header; in a comment, which may be prose, the rows must fit as
// well.
func headerTable(first, rest, delimiters string, by Columns) (table, error) {
	comment, named := first[0] == '#', by != (Columns{})
	header := strings.TrimLeft(first, "# \t")
	for _, delimiter := range []byte(delimiters) {
		t, err := newTable(header, delimiter, by)
		switch {
		case err == nil && ((named || t.known > 1) && !comment || t.fits(rest, named)):
			return t, nil
		case err != nil && !errors.Is(err, errNoHeader) && !comment:
			return table{}, err // a named column is missing
		}
	}
	return table{}, errNoHeader
}

// newTable makes the table of a header. The error is errNoHeader when the line is not
// one, and another when a named column is missing in it.
func newTable(header string, delimiter byte, by Columns) (table, error) {
	fields, _ := splitFields(header, delimiter, nil)
	for i := range fields {
		fields[i] = columnName(fields[i])
	}
	t := table{delimiter: delimiter, width: len(fields), columns: map[role][]int{}}
	if by != (Columns{}) {
		t.mixed = true
		return t, t.assign(fields, by)
	}
	if len(fields) < 2 {
		return t, errNoHeader
	}
	for r := roleIndicator; r <= roleDetect; r++ {
		for _, name := range wellKnown(r) {
			if at := slices.Index(fields, name); at >= 0 {
				t.columns[r] = append(t.columns[r], at)
				t.known++
			}
		}
	}
	t.narrow(fields)
	if len(t.columns[roleIndicator]) == 0 || slices.ContainsFunc(fields, notColumnName) {
		return t, errNoHeader
	}
	return t, nil
}

// narrow leaves one column of indicators if the header has one for indicators of any
// kind, whatever other columns it has.
func (t *table) narrow(fields []string) {
	const generic = 6 // the first so many well-known names are for indicators of any kind
	if all := t.columns[roleIndicator]; len(all) > 0 && slices.Contains(wellKnown(roleIndicator)[:generic], fields[all[0]]) {
		t.columns[roleIndicator], t.mixed = all[:1], true
	}
}

// notColumnName reports whether a field is data or prose rather than a name.
func notColumnName(field string) bool {
	return len(field) > 40 || strings.Count(field, "_") > 4 || strings.ContainsAny(field, "./:\\=")
}

// assign finds the columns that the user named.
func (t *table) assign(fields []string, by Columns) error {
	for _, c := range []struct {
		role role
		name string
	}{
		{roleIndicator, by.Indicator},
		{roleType, by.Type},
		{rolePort, by.Port},
		{roleDescription, by.Description},
		{roleReference, by.Reference},
		{roleConfidence, by.Confidence},
		{roleClass, by.Class},
		{roleFirstSeen, by.FirstSeen},
		{roleExpires, by.Expires},
	} {
		if c.name == "" {
			continue
		}
		at := slices.Index(fields, columnName(c.name))
		if number, err := strconv.Atoi(c.name); at < 0 && err == nil && number >= 1 && number <= len(fields) {
			at = number - 1
			t.numbered = t.numbered || c.role == roleIndicator
		}
		if at < 0 && len(fields) < 2 {
			return errNoHeader
		}
		if at < 0 {
			return fmt.Errorf("no column %q in the CSV header, which has %s", c.name, strings.Join(fields, ", "))
		}
		t.columns[c.role] = []int{at}
	}
	if len(t.columns[roleIndicator]) == 0 {
		return errors.New("the column of the indicators is not named")
	}
	return nil
}

// fits reports whether one of the next rows has as many columns as the header, not
// counting an empty one at its end; if the user named columns, more than one column is
// enough. It also reports true if there are no rows in rest.
func (t *table) fits(rest string, named bool) bool {
	const most = 10 // the first may have a delimiter in its text
	rows := 0
	for rest != "" && rows < most {
		var row string
		row, rest, _ = strings.Cut(rest, "\n")
		if row = strings.TrimSpace(row); row == "" || row[0] == '#' {
			continue
		}
		fields, state := splitFields(row, t.delimiter, nil)
		if n := len(fields); n == t.width+1 && fields[n-1] == "" {
			fields = fields[:n-1]
		}
		if len(fields) == t.width || state == rowOpen || named && len(fields) > 1 {
			return true
		}
		rows++
	}
	return rows == 0
}

// isRow reports whether a line that was taken for the header is a row: a file whose
// columns are named by their numbers may have no header. It is one if it has an
// indicator, be it one that is refused.
func (c *collector) isRow(text string, t *table) bool {
	if !t.numbered {
		return false
	}
	fields, _ := splitFields(text, t.delimiter, nil)
	at := t.columns[roleIndicator][0]
	if at >= len(fields) {
		return false
	}
	o, reason := c.parse(unpipe(fields[at])[0])
	if reason == "" && o.kind == ioc.Domain && o.url == "" {
		_, icann := publicsuffix.PublicSuffix(o.name)
		return icann // threat.indicator.ip is the name of a column
	}
	return reason == "" || reason == reasonShared || reason == reasonHash || reason == reasonMail || reason.special()
}
