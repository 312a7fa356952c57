package feed

import (
	"net/netip"
	"slices"
	"strings"
)

// watches reports whether rows of a type are used: if the column of the indicators may
// have any kind, those of types that are seen in packets; if it is of one kind, or no
// type is stated, all but those of types that are not.
func (t *table) watches(kind string) bool {
	if t.mixed && kind != "" {
		return isWatchedType(kind)
	}
	return !isUnwatchedType(kind)
}

// isUnwatchedType reports whether a feed's word for a kind of indicator is
// for one that is not seen in packets.
func isUnwatchedType(kind string) bool {
	return containsAny(strings.ToLower(kind),
		"hash", "md5", "sha1", "sha256", "sha512", "ssdeep", "imphash", "tlsh", "file", "email", "mail", "mutex",
		"registry", "regkey", "yara", "cve", "btc", "bitcoin", "ja3", "user_agent", "user-agent", "pattern",
	)
}

// isWatchedType reports whether a feed's word for a kind of indicator is for
// one that is seen in packets: an address, a network, a name or a URL.
func isWatchedType(kind string) bool {
	kind = strings.ToLower(kind)
	if isUnwatchedType(kind) || containsAny(kind, "mac", "whois") {
		return false
	}
	if containsAny(kind, "domain", "host", "url", "fqdn", "dns", "addr", "ipv4", "ipv6", "cidr", "subnet", "netblock", "network") {
		return true
	}
	words := strings.FieldsFunc(kind, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.Contains([]string{"ip", "ips", "ip4", "ip6", "uri", "net", "prefix", "range"}, word)
	})
}

// containsAny reports whether a text has one of the parts in it.
func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// unpipe takes apart the values of MISP's composite types: it makes "address:port" of
// "address|port", likewise for a name, and two values of "domain|address", since the
// event is about both.
func unpipe(value string) []string {
	first, second, ok := strings.Cut(value, "|")
	if !ok || first == "" {
		return []string{value}
	}
	if _, err := netip.ParseAddr(second); err == nil {
		return []string{first, second}
	}
	if _, reason := parsePort(":" + second); reason != "" {
		return []string{value}
	}
	if strings.IndexByte(first, ':') >= 0 {
		first = "[" + first + "]"
	}
	return []string{first + ":" + second}
}
