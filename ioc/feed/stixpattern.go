package feed

import (
	"slices"
	"strings"
)

// Patterns of STIX (https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html, 9) can ask for
// much that no single address or name tells: several things at once, one after the other,
// so many times. Of a pattern the alternatives are used each of which is one thing to see
// in packets, and the others are counted.

// A pattern is brought into the form "any of these, each of which is all of these".
type pattern []alternative

// An alternative is one thing that a pattern asks for.
type alternative struct {
	all    []comparison
	beyond bool // it is more: in several packets, in an order, so often, or at a time
}

// A comparison is a test of one property: path operator values, any of which is enough.
type comparison struct {
	path, operator string
	values         []string
}

// maxAlternatives bounds what a pattern is in that form, which may be far longer than the
// pattern.
const maxAlternatives = 10_000

// maxTogether is how many comparisons an alternative may have.
const maxTogether = 50

// beyond makes all alternatives ones that no entry stands for.
func (p pattern) beyond() pattern {
	for i := range p {
		p[i].beyond = true
	}
	return p
}

// patternValues returns the entries that a pattern stands for, each as in a plain list,
// and why its other alternatives are not used.
func patternValues(text string) (values []string, reasons []Reason) {
	alternatives, reason := parsePattern(text)
	if reason != "" {
		return nil, []Reason{reason}
	}
	for i := range alternatives {
		found, reason := alternatives[i].entries()
		values = append(values, found...)
		if reason != "" && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return values, reasons
}

// entries returns the entries that an alternative stands for, or why it stands for none.
func (a *alternative) entries() (entries []string, reason Reason) {
	var what, port *comparison
	other := ""
	for i := range a.all {
		c := &a.all[i]
		role := c.role()
		same := map[pathRole]**comparison{pathValue: &what, pathPort: &port}[role]
		switch {
		case same != nil && *same == nil:
			*same = c
		case same != nil:
			return nil, reasonComplex
		case role == pathOther:
			other, _, _ = strings.Cut(c.path, ":")
		}
	}
	switch {
	case what == nil && port == nil && other != "":
		return nil, Reason(unwatchedType + printable(other))
	case a.beyond, what == nil, other != "", port != nil && port.operator != "=":
		return nil, reasonComplex
	}
	for _, value := range what.values {
		entry, ok := what.entry(value)
		if !ok {
			return nil, reasonComplex
		}
		if port != nil {
			entry = withPort(entry, port.values[0])
		}
		entries = append(entries, entry)
	}
	return entries, ""
}

// withPort writes an address or name with a port.
func withPort(entry, port string) string {
	if strings.Contains(entry, ":") {
		entry = "[" + entry + "]"
	}
	return entry + ":" + port
}

// entry returns what a value of a comparison stands for in a plain list.
func (c *comparison) entry(value string) (string, bool) {
	switch c.operator {
	case "=", "IN", "ISSUBSET":
		return value, true
	case "LIKE": // of names, those below one
		name, ok := strings.CutPrefix(value, "%.")
		return name, ok && !strings.ContainsAny(name, "%_")
	}
	return "", false
}

// A pathRole says what a property is to a network monitor.
type pathRole uint8

const (
	pathOther  pathRole = iota // not to be seen in packets
	pathValue                  // an address, network, name or URL
	pathPort                   // the port of the address beside it
	pathDetail                 // of the same traffic, and left out
)

func (c *comparison) role() pathRole {
	kind, property, _ := strings.Cut(c.path, ":")
	switch kind {
	case "ipv4-addr", "ipv6-addr", "domain-name", "url":
		if property == "value" {
			return pathValue
		}
		if strings.HasPrefix(property, "resolves_to_refs") {
			return pathDetail
		}
	case "network-traffic":
		switch {
		case property == "dst_ref.value", property == "src_ref.value":
			return pathValue
		case property == "dst_port":
			return pathPort
		case c.operator == "=" && (strings.HasPrefix(property, "protocols") || property == "dst_ref.type" || property == "src_ref.type"):
			return pathDetail
		}
	}
	return pathOther
}
