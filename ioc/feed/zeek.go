package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A zeekLayout has the index of each column of Zeek intel that is read, -1 where it is
// missing.
type zeekLayout struct {
	indicator, kind, source, description, url int
}

// readZeek reads a file of Zeek's intelligence framework. A name matches what
// is below it too, which Zeek itself does not do.
func (c *collector) readZeek(lines *lineReader) error {
	layout := zeekLayout{indicator: -1}
	return c.eachLine(lines, func(l line) (err error) {
		if names, ok := strings.CutPrefix(l.text, "#fields\t"); ok {
			if layout, err = newZeekLayout(names); err != nil {
				return fmt.Errorf("line %d: %w", l.number, err)
			}
			c.file.remarks++
			return nil
		}
		if strings.TrimSpace(l.text) == "" || l.text[0] == '#' {
			return nil
		}
		if layout.indicator < 0 {
			return fmt.Errorf("line %d: no #fields line before the first entry", l.number)
		}
		return c.readIntel(strings.Split(l.text, "\t"), &layout, l)
	})
}

// newZeekLayout reads what is behind #fields.
func newZeekLayout(names string) (zeekLayout, error) {
	fields := strings.Split(names, "\t")
	at := func(name string) int { return slices.Index(fields, name) }
	layout := zeekLayout{at("indicator"), at("indicator_type"), at("meta.source"), at("meta.desc"), at("meta.url")}
	if layout.indicator < 0 || layout.kind < 0 {
		return zeekLayout{}, errors.New("the #fields line lacks indicator or indicator_type")
	}
	return layout, nil
}

// readIntel reads one entry.
func (c *collector) readIntel(fields []string, layout *zeekLayout, l line) error {
	get := func(at int) string {
		if at < 0 || at >= len(fields) || fields[at] == "-" {
			return ""
		}
		return strings.TrimSpace(fields[at])
	}
	value, kind := get(layout.indicator), get(layout.kind)
	switch {
	case value == "":
		c.skip(reasonEmpty, l)
		return nil
	case kind == "":
		c.skip(reasonColumns, l)
		return nil
	}
	switch kind {
	case "Intel::ADDR", "Intel::SUBNET", "Intel::DOMAIN", "Intel::URL":
	default:
		c.skip(Reason(unwatchedType+printable(kind)), l)
		return nil
	}
	said := c.base
	said.Description, said.Reference = get(layout.description), get(layout.url)
	if said.Description == "" {
		said.Description = get(layout.source)
	}
	return c.add(value, &said, 0, l)
}
