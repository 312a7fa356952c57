package feed

import (
	"strings"

	"wormscope/ioc"
)

// A mispEvent is what counts for all attributes of a MISP event, and these: what is said
// of all of them mostly stands behind them.
type mispEvent struct {
	info       string
	tlp        string
	attributes []mispAttribute
}

// A mispAttribute is an entry of an event, as far as it is of interest
// (https://www.misp-standard.org/rfc/misp-standard-core.html, 2.4).
type mispAttribute struct {
	Type      string    `json:"type"`
	Value     string    `json:"value"`
	Comment   string    `json:"comment"`
	ToIDs     mispBool  `json:"to_ids"`
	Deleted   mispBool  `json:"deleted"`
	FirstSeen string    `json:"first_seen"`
	Tag       []mispTag `json:"Tag"`

	line int
}

type mispTag struct {
	Name string `json:"name"`
}

// A mispBool is true, false, 0 or 1, also in quotes: "" where it is not there.
type mispBool string

// UnmarshalJSON implements json.Unmarshaler.
func (b *mispBool) UnmarshalJSON(text []byte) error {
	*b = mispBool(strings.Trim(strings.ToLower(string(text)), `"`))
	return nil
}

func (b mispBool) yes() bool { return b == "true" || b == "1" }
func (b mispBool) no() bool  { return b == "false" || b == "0" }

// readMISP reads events of MISP: one, a list of them, or what a search answers, which may
// also be attributes alone. The manifest of a folder of events has no entries.
func (c *collector) readMISP(r *jsonReader) error {
	return r.each(func() error { return c.readEvent(r) })
}

// readEvent reads an event, or what holds events. Those that one is related to, and what
// was proposed for it, are passed over.
func (c *collector) readEvent(r *jsonReader) error {
	var e mispEvent
	err := r.members(func(key string) error {
		if key != "" {
			c.file.remarks++
		}
		switch key {
		case "", "response", "Event":
			return c.readEvent(r)
		case "info":
			return r.read(&e.info)
		case "Tag":
			var tags []mispTag
			err := r.read(&tags)
			e.tlp = tlpOf(tags)
			return err
		case "Attribute":
			return e.readAttributes(r)
		case "Object":
			return r.members(func(string) error { return e.readObject(r) })
		default:
			return r.skipValue()
		}
	})
	if err != nil {
		return err
	}
	return c.addEvent(&e)
}

// readObject reads an object: attributes that belong together.
func (e *mispEvent) readObject(r *jsonReader) error {
	var deleted mispBool
	before := len(e.attributes)
	err := r.members(func(key string) error {
		switch key {
		case "Attribute":
			return e.readAttributes(r)
		case "deleted":
			return r.read(&deleted)
		default:
			return r.skipValue()
		}
	})
	if deleted.yes() {
		e.attributes = e.attributes[:before]
	}
	return err
}

// readAttributes reads a list of attributes.
func (e *mispEvent) readAttributes(r *jsonReader) error {
	return r.members(func(string) error {
		a := mispAttribute{line: r.line()}
		err := r.read(&a)
		e.attributes = append(e.attributes, a)
		return err
	})
}

// addEvent adds the attributes of an event.
func (c *collector) addEvent(e *mispEvent) error {
	for i := range e.attributes {
		if err := c.addAttribute(&e.attributes[i], e); err != nil {
			return err
		}
	}
	return nil
}

// addAttribute adds what an attribute holds.
func (c *collector) addAttribute(a *mispAttribute, e *mispEvent) error {
	l := line{a.Value, a.line}
	switch {
	case a.Value == "":
		c.skip(reasonEmpty, l)
		return nil
	case a.Deleted.yes():
		c.skip(reasonDeleted, l)
		return nil
	case !isWatchedType(a.Type):
		c.skip(Reason(unwatchedType+printable(a.Type)), l)
		return nil
	case a.ToIDs.no():
		c.skip(reasonUndetected, l)
		return nil
	}
	said := c.base
	said.Description = joined(e.info, a.Comment)
	said.FirstSeen = parseTime(a.FirstSeen)
	for _, tlp := range []string{e.tlp, tlpOf(a.Tag)} {
		if tlp != "" {
			said.TLP = tlp
		}
	}
	return c.addValues(unpipe(a.Value), &said, l)
}

// addValues adds the entries of one attribute or pattern.
func (c *collector) addValues(values []string, said *ioc.Indicator, l line) error {
	for _, value := range values {
		if err := c.add(strings.TrimSpace(value), said, 0, l); err != nil {
			return err
		}
	}
	return nil
}

// joined joins what is said of all entries and of one of them.
func joined(all, one string) string {
	all, one = strings.TrimSpace(all), strings.TrimSpace(one)
	if all != "" && one != "" && all != one {
		return all + ": " + one
	}
	if all == "" {
		return one
	}
	return all
}

// tlpOf returns the marking of the traffic light protocol that is among tags, or "".
func tlpOf(tags []mispTag) string {
	for _, tag := range tags {
		if len(tag.Name) > 4 && strings.EqualFold(tag.Name[:4], "tlp:") {
			if tlp, err := ParseTLP(tag.Name); err == nil {
				return tlp
			}
		}
	}
	return ""
}
