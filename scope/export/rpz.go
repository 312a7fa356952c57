package export

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxZoneName is how long a name in the zone may be, in bytes: with a wildcard before
// it and the zone's own name after it, it must not exceed the 253 of any name.
const maxZoneName = 180

// triggers reports whether a name stands for something else in such a zone: one below
// rpz-ip, for instance, for the answers with an address, be it that of half the internet.
// No name of the internet ends in such a label, nor in one with an escape.
func triggers(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return strings.HasPrefix(last, "rpz-") || strings.Contains(last, `\`)
}

// writeRPZ writes a response policy zone (draft-vixie-dnsop-dns-rpz, as BIND, Unbound,
// Knot and PowerDNS read it). It does not have the zone's name, which is in the name
// server's configuration. The server then answers NXDOMAIN for listed names, and for
// names that resolve to a listed address.
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

// reversed writes an address as RPZ has it in triggers: the length of the prefix, then
// the address's parts in reverse order; in IPv6 zz stands for the longest run of zeros.
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
// Escapes stay as they are, since names are in presentation format.
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
