package export

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxZoneName is how long a name may be, in bytes, that still has room for a
// wildcard and the zone's own name in the 253 that a name can have.
const maxZoneName = 180

// writeRPZ writes a response policy zone (the draft dnsop-dns-rpz, as BIND,
// Unbound, Knot and PowerDNS read it), without the zone's name, which the name
// server's configuration gives. Names do not exist for those who ask, and
// answers that hold a listed address likewise.
func (l *List) writeRPZ(w *bytes.Buffer) {
	l.comments(w, ";")
	fmt.Fprintf(w, "$TTL 300\n@ IN SOA localhost. root.localhost. ( %d 3600 600 86400 300 )\n@ IN NS localhost.\n", l.serial())
	for i := range l.Entries {
		e := &l.Entries[i]
		fmt.Fprintf(w, "; %s\n", ascii(e.Reason, maxComment))
		if e.Addr.IsValid() {
			fmt.Fprintf(w, "%s.rpz-ip IN CNAME .\n", reversed(e.Addr))
			continue
		}
		name := zoneName(e.Name)
		fmt.Fprintf(w, "%s IN CNAME .\n", name)
		if !e.Exact {
			fmt.Fprintf(w, "*.%s IN CNAME .\n", name)
		}
	}
}

// reversed writes an address as a trigger names it: the length of the prefix,
// then the parts in reverse; the longest run of zeros in IPv6 as zz.
func reversed(a netip.Addr) string {
	separator, none := ".", ""
	text := a.String()
	if a.Is6() {
		separator, none = ":", "zz"
		if strings.HasPrefix(text, "::") {
			text = text[1:]
		}
		if strings.HasSuffix(text, "::") {
			text = text[:len(text)-1]
		}
	}
	parts := strings.Split(text, separator)
	slices.Reverse(parts)
	for i := range parts {
		if parts[i] == "" {
			parts[i] = none
		}
	}
	return strconv.Itoa(a.BitLen()) + "." + strings.Join(parts, ".")
}

// zoneName escapes what has a meaning in a zone file (RFC 1035, chapter 5.1).
// Escapes stay: names come in presentation format.
func zoneName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '\\' && escapeLength(name[i:]) == 2:
			i++
			fmt.Fprintf(&b, "\\%03d", name[i])
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '\\':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "\\%03d", c)
		}
	}
	return b.String()
}
