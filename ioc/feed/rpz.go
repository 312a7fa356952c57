package feed

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// readRPZ reads a response policy zone: a zone file of names and addresses that a
// resolver does not answer for, or otherwise than it would
// (https://datatracker.ietf.org/doc/html/draft-vixie-dnsop-dns-rpz).
func (c *collector) readRPZ(lines *lineReader) error {
	z := zoneLines{lines: lines, skip: c.skip}
	for {
		parser := dns.NewZoneParser(&z, dns.Fqdn(z.origin), "")
		parser.SetDefaultTTL(1)
		for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
			if err := c.readPolicy(rr, &z); err != nil {
				return err
			}
			z.taken = z.taken[:0]
		}
		c.file.Lines = lines.number
		switch {
		case z.err != nil && !errors.Is(z.err, io.EOF):
			return z.err
		case parser.Err() != nil:
		case z.others > 0 && z.policies == 0: // its names are those of somebody's hosts
			return errors.New("a zone of names that exist, not a response policy zone")
		default:
			return nil
		}
		z.giveUp()
	}
}

// zoneLines gives a feed to the parser of zones byte by byte, so that it is known in
// which line a record is, and where to go on after a mistake.
type zoneLines struct {
	lines   *lineReader
	skip    func(Reason, line)
	current line
	taken   []line // since the last record, without comments and directives
	rest    string // of the current line
	err     error  // of the reader
	origin  string // the latest $ORIGIN
	zone    string // the name of the zone, by its SOA record

	policies, others int // records that are a policy, and those that one hardly has
}

// Read is there for io.Reader; ReadByte is what is used.
func (z *zoneLines) Read(p []byte) (int, error) {
	b, err := z.ReadByte()
	if err != nil || len(p) == 0 {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// ReadByte returns the next byte.
func (z *zoneLines) ReadByte() (byte, error) {
	for z.rest == "" {
		l, err := z.lines.next()
		if errors.Is(err, errLongLine) {
			z.skip(reasonLong, l)
			continue
		}
		if err != nil {
			z.err = err
			return 0, io.EOF
		}
		switch fields := strings.Fields(l.text); {
		case len(fields) > 1 && strings.EqualFold(fields[0], "$ORIGIN"):
			if _, ok := dns.IsDomainName(fields[1]); ok {
				z.origin = fields[1]
			}
		case len(fields) > 0 && strings.EqualFold(fields[0], "$GENERATE"): // 65,536 records a line
			z.skip(reasonRecord, l)
			continue
		}
		z.current, z.rest = l, l.text+"\n"
		if text := strings.TrimSpace(l.text); text != "" && text[0] != ';' && text[0] != '$' {
			z.taken = append(z.taken, l)
		}
		if len(z.taken) > maxRecord {
			return 0, errLongRecord
		}
	}
	b := z.rest[0]
	z.rest = z.rest[1:]
	return b, nil
}

// maxRecord is how many lines a record may have.
const maxRecord = 50

var errLongRecord = errors.New("a record that does not end")

// giveUp leaves the first line of a record with a mistake out, and goes on behind it: the
// parser may have read further.
func (z *zoneLines) giveUp() {
	if len(z.taken) == 0 {
		z.taken = append(z.taken, z.current)
	}
	z.skip(reasonRecord, z.taken[0])
	for _, l := range slices.Backward(z.taken[1:]) {
		z.lines.unread(l)
	}
	z.taken, z.rest, z.err = z.taken[:0], "", nil
}

// relative returns the owner of a record without the name of the zone: what the record
// is about.
func (z *zoneLines) relative(owner string) string {
	zone := z.zone
	if zone == "" {
		zone = z.origin
	}
	owner, zone = strings.ToLower(strings.TrimSuffix(owner, ".")), strings.ToLower(strings.TrimSuffix(zone, "."))
	if owner == zone {
		return ""
	}
	return strings.TrimSuffix(owner, "."+zone)
}

// readPolicy reads one record.
func (c *collector) readPolicy(rr dns.RR, z *zoneLines) error {
	owner := z.relative(rr.Header().Name)
	switch rr := rr.(type) {
	case *dns.SOA:
		z.zone = rr.Hdr.Name
		c.file.remarks++
		return nil
	case *dns.NS:
		c.file.remarks++ // of the zone
		return nil
	case *dns.MX, *dns.SRV, *dns.PTR, *dns.DNSKEY, *dns.RRSIG:
		z.others++
	case *dns.CNAME:
		if rr.Target == "." || rr.Target == "*." || strings.HasPrefix(rr.Target, "rpz-") {
			z.policies++
		}
		if reason := actionOf(rr.Target); reason != "" {
			c.skip(reason, z.current)
			return nil
		}
	}
	if owner == "" {
		c.file.remarks++
		return nil
	}
	said := c.base
	trigger, kind, found := cutTrigger(owner)
	if !found {
		return c.add(strings.TrimPrefix(owner, "*."), &said, 0, z.current)
	}
	if kind != "rpz-ip" {
		c.skip(Reason(unwatchedType+kind), z.current)
		return nil
	}
	network, err := rpzNetwork(trigger)
	if err != nil {
		c.skip(reasonNetwork, z.current)
		return nil //nolint:nilerr // it is said of the line
	}
	return c.add(network, &said, 0, z.current)
}

// actionOf returns why a record that leads to a name is none against what it is about:
// it is an exception, or leads to a search without what is not for children.
func actionOf(target string) Reason {
	switch target = strings.ToLower(target); target {
	case "rpz-passthru.":
		return reasonException
	case "rpz-tcp-only.":
		return reasonHarmless
	}
	first, _, _ := strings.Cut(target, ".")
	if slices.Contains([]string{"forcesafesearch", "safesearch", "strict", "restrict", "restrictmoderate", "safe", "family", "familysearch"}, first) {
		return reasonHarmless
	}
	return ""
}

// cutTrigger cuts the label off a name that says what it is, if it is none to be asked
// for.
func cutTrigger(owner string) (trigger, kind string, ok bool) {
	at := strings.LastIndexByte(owner, '.')
	if at < 0 {
		return "", "", false
	}
	switch kind = owner[at+1:]; kind {
	case "rpz-ip", "rpz-client-ip", "rpz-nsdname", "rpz-nsip":
		return owner[:at], kind, true
	}
	return "", "", false
}

// rpzNetwork reads a network as RPZ writes it: its length, then its parts in reverse,
// with zz for :: of IPv6. 24.0.2.0.192 is 192.0.2.0/24.
func rpzNetwork(text string) (string, error) {
	bits, rest, _ := strings.Cut(text, ".")
	parts := strings.Split(rest, ".")
	slices.Reverse(parts)
	address := strings.Join(parts, ".")
	if _, err := netip.ParseAddr(address); err != nil {
		address = strings.Join(parts, ":")
		if at := slices.Index(parts, "zz"); at >= 0 {
			address = strings.Join(parts[:at], ":") + "::" + strings.Join(parts[at+1:], ":")
		}
	}
	network, err := netip.ParsePrefix(address + "/" + bits)
	switch {
	case err != nil:
		return "", err
	case network.IsSingleIP():
		return network.Addr().String(), nil
	}
	return network.String(), nil
}
