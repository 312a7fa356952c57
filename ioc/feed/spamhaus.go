package feed

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A dropRecord is a line of Spamhaus's lists in JSON
// (https://www.spamhaus.org/blocklists/do-not-route-or-peer/).
type dropRecord struct {
	CIDR    string `json:"cidr"`
	SBLID   string `json:"sblid"`
	ASN     int    `json:"asn"`
	Type    string `json:"type"` // "metadata" in the last line
	Records int    `json:"records"`
}

// readSpamhaus reads a list of networks, one JSON object a line. The last line tells
// how many there are, so that a list that was cut short is known.
func (c *collector) readSpamhaus(lines *lineReader) error {
	records := 0
	return c.eachLine(lines, func(l line) error {
		if strings.TrimSpace(l.text) == "" {
			return nil
		}
		var d dropRecord
		if err := json.Unmarshal([]byte(l.text), &d); err != nil {
			c.skip(reasonJSON, l)
			return nil //nolint:nilerr // it is said of the line
		}
		if d.Type == "metadata" {
			c.file.remarks++
			if d.Records != 0 && d.Records != records {
				return fmt.Errorf("line %d: %d records, but the list says that it has %d", l.number, records, d.Records)
			}
			return nil
		}
		records++
		return c.readDrop(&d, l)
	})
}

// readDrop reads one record.
func (c *collector) readDrop(d *dropRecord, l line) error {
	switch {
	case d.CIDR != "":
		said := c.base
		said.Description = d.SBLID
		return c.add(d.CIDR, &said, 0, l)
	case d.ASN != 0:
		c.skip(unwatchedType+"asn", l)
	default:
		c.skip(reasonEmpty, l)
	}
	return nil
}
