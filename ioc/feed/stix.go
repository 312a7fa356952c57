package feed

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"wormscope/ioc"
)

// A stixObject is an object of STIX 2.0 or 2.1, as far as it is of interest.
// (https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html, 4.7 and 3.2)
type stixObject struct {
	Type        string   `json:"type"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Pattern     string   `json:"pattern"`
	PatternType string   `json:"pattern_type"` // there is none in STIX 2.0, which knows one only
	ValidFrom   string   `json:"valid_from"`
	ValidUntil  string   `json:"valid_until"`
	Revoked     bool     `json:"revoked"`
	Confidence  *int     `json:"confidence"`
	Kinds       []string `json:"indicator_types"`
	Labels      []string `json:"labels"` // of STIX 2.0: the same
	Markings    []string `json:"object_marking_refs"`
	References  []struct {
		URL string `json:"url"`
	} `json:"external_references"`
}

// readSTIX reads bundles of STIX, or what a TAXII server sends in the place of them
// (https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html, 3.7). Of their objects only
// indicators count: what was merely observed may be harmless.
func (c *collector) readSTIX(r *jsonReader) error {
	return r.each(func() error { return c.walkSTIX(r) })
}

// walkSTIX reads a bundle, or a list of such.
func (c *collector) walkSTIX(r *jsonReader) error {
	return r.members(func(key string) error {
		switch key {
		case "":
			return c.walkSTIX(r)
		case "objects":
			return r.members(func(string) error { return c.readObject(r) })
		default:
			return r.skipValue()
		}
	})
}

// readObject reads one object.
func (c *collector) readObject(r *jsonReader) error {
	var o stixObject
	number := r.line()
	if err := r.read(&o); err != nil {
		return err
	}
	switch {
	case o.Type == "indicator":
		return c.addPattern(&o, line{o.Pattern, number})
	case isObservable(o.Type):
		c.skip(reasonObserved, line{o.Type, number})
	default:
		c.file.remarks++
	}
	return nil
}

// isObservable reports whether objects of a type are observations of what is watched.
func isObservable(kind string) bool {
	switch kind {
	case "ipv4-addr", "ipv6-addr", "domain-name", "url", "observed-data":
		return true
	}
	return false
}

// addPattern adds what the pattern of an indicator asks for.
func (c *collector) addPattern(o *stixObject, l line) error {
	words := slices.Concat(o.Kinds, o.Labels)
	switch {
	case o.Revoked:
		c.skip(reasonRevoked, l)
		return nil
	case slices.Contains(words, "benign"):
		c.skip(reasonUndetected, l)
		return nil
	case o.PatternType != "" && o.PatternType != "stix":
		c.skip(Reason(unwatchedType+printable(o.PatternType)), l)
		return nil
	}
	values, reasons := patternValues(o.Pattern)
	for _, reason := range reasons {
		c.skip(reason, l)
	}
	said := c.base
	said.Description = strings.TrimSpace(cmp.Or(o.Name, o.Description))
	said.FirstSeen = parseTime(o.ValidFrom)
	said.Expires = c.expiry(o.ValidUntil, l)
	if o.Confidence != nil {
		said.Confidence = parseConfidence(strconv.Itoa(*o.Confidence))
	}
	for _, word := range words {
		if word == "anonymization" {
			said.Class = ioc.Anonymizer
		} else if class, ok := classOf(word); ok {
			said.Class = class
		}
	}
	for _, marking := range o.Markings {
		said.TLP = cmp.Or(stixTLP(marking), said.TLP)
	}
	for _, reference := range o.References {
		said.Reference = cmp.Or(said.Reference, reference.URL)
	}
	return c.addValues(values, &said, l)
}

// stixTLP returns the marking of the traffic light protocol that an object of STIX stands
// for, or "". The numbers are fixed: STIX 2.1, 7.2.1.4, for version 1, and for version 2
// https://github.com/oasis-open/cti-stix-common-objects (extension TLP 2.0).
func stixTLP(marking string) string {
	switch strings.TrimPrefix(marking, "marking-definition--") {
	case "613f2e26-407d-48c7-9eca-b8e91df99dc9":
		return "WHITE"
	case "94868c89-83c2-464b-929b-a1a8aa3c8487":
		return "CLEAR"
	case "34098fce-860f-48ae-8e50-ebd3cc5e41da", "bab4a63c-aed9-4cf5-a766-dfca5abac2bb":
		return "GREEN"
	case "f88d31f6-486f-44da-b317-01333bde0b82", "55d920b0-5e8b-4f79-9ee9-91f868d9b421":
		return "AMBER"
	case "939a9414-2ddd-4d32-a0cd-375ea402b003":
		return "AMBER+STRICT"
	case "5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "e828b379-4e03-4974-9ac4-e53a884c97c1":
		return "RED"
	}
	return ""
}
