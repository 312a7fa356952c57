package feed

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// guards refuse what would match everybody's traffic.
type guards struct {
	special  []specialNetwork
	first4   [256]bool // first bytes of IPv4 addresses that are special
	idna     *idna.Profile
	suffixes *suffixFilter
	shared   map[string]bool // hosts that many share
	broad    bool            // public suffixes are not refused
}

// A specialNetwork is a block of addresses that belong to nobody on the internet.
type specialNetwork struct {
	net    netip.Prefix
	reason Reason
}

// newGuards makes the guards. The blocks are from the IANA special-purpose
// registries (RFC 6890), less those for documentation and benchmarks, which
// do no harm and are handy in exercises.
func newGuards() guards {
	block := func(cidr string, reason Reason) specialNetwork {
		return specialNetwork{netip.MustParsePrefix(cidr), reason}
	}
	g := guards{
		special: []specialNetwork{
			block("0.0.0.0/32", reasonUnspecified),
			block("0.0.0.0/8", reasonReserved),
			block("10.0.0.0/8", reasonPrivate),
			block("100.64.0.0/10", reasonPrivate),
			block("127.0.0.0/8", reasonLoopback),
			block("169.254.0.0/16", reasonLinkLocal),
			block("172.16.0.0/12", reasonPrivate),
			block("192.168.0.0/16", reasonPrivate),
			block("224.0.0.0/4", reasonMulticast),
			block("240.0.0.0/4", reasonReserved),
			block("::/128", reasonUnspecified),
			block("::1/128", reasonLoopback),
			block("fc00::/7", reasonPrivate),
			block("fe80::/10", reasonLinkLocal),
			block("ff00::/8", reasonMulticast),
		},
		// As a browser looks a name up, but with underscores.
		idna:     idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false)),
		suffixes: newSuffixFilter(),
		shared:   newSharedHosts(),
	}
	for _, s := range g.special {
		if a := s.net.Addr(); a.Is4() {
			first := int(a.As4()[0])
			for i := range 1 << max(0, 8-s.net.Bits()) {
				g.first4[first+i] = true
			}
		}
	}
	return g
}

// network refuses networks that are too wide, and those that touch special
// addresses.
func (g *guards) network(n netip.Prefix) Reason {
	const widest4, widest6 = 8, 19
	if n.Addr().Is4() && n.Bits() < widest4 || n.Addr().Is6() && n.Bits() < widest6 {
		return reasonWide
	}
	if a := n.Addr(); a.Is4() && !g.first4[a.As4()[0]] {
		return "" // a network that is not too wide has one first byte
	}
	for i := range g.special {
		if g.special[i].net.Overlaps(n) {
			return g.special[i].reason
		}
	}
	return ""
}

// name returns a name in canonical form: lower-case A-labels without a dot at the
// end. exact says that it is a private suffix such as github.io: names below it belong
// to others, so that the indicator is for the name itself only.
func (g *guards) name(text string) (name string, exact bool, reason Reason) {
	name = strings.TrimSuffix(text, ".")
	class := classify(name)
	if class.foreign {
		ascii, err := g.idna.ToASCII(name)
		if err != nil || !utf8.ValidString(name) { // what is no UTF-8 would become a name that nobody asks for
			return "", false, reasonIDNA
		}
		name = strings.TrimSuffix(ascii, ".")
		class = classify(name)
	}
	if class.upper {
		name = strings.ToLower(name)
	}
	if reason := checkShape(name, class); reason != "" {
		return "", false, reason
	}
	if g.broad || !g.suffixes.mayBe(name, strings.IndexByte(name, '.')) {
		return name, false, ""
	}
	suffix, icann := publicsuffix.PublicSuffix(name)
	if suffix != name {
		if !class.dot {
			return "", false, reasonNoDot
		}
		return name, false, ""
	}
	if icann {
		return "", false, reasonSuffix
	}
	if !class.dot {
		return "", false, reasonNoDot
	}
	return name, true, ""
}

// A nameClass is what one pass over the bytes of a name finds out.
type nameClass struct {
	upper   bool
	foreign bool // not ASCII
	bad     bool // a byte that no name has
	mail    bool // an @
	label   bool // an empty label, or one that is too long
	dot     bool
	number  bool // the last label is a number
	hex     bool // only hexadecimal digits and no dot
}

// classify looks at each byte of a name.
func classify(name string) nameClass {
	c := nameClass{hex: true}
	start, digits := 0, true
	for i := range len(name) {
		switch b := name[i]; {
		case b >= 'a' && b <= 'z':
			digits = false
			c.hex = c.hex && b <= 'f'
		case b == '.':
			c.label = c.label || i == start || i-start > maxLabel
			c.dot, c.hex, start, digits = true, false, i+1, true
		case b >= '0' && b <= '9':
		case b == '-' || b == '_':
			digits, c.hex = false, false
		case b >= 'A' && b <= 'Z':
			c.upper, digits = true, false
			c.hex = c.hex && b <= 'F'
		case b >= 0x80:
			c.foreign, digits = true, false
		case b == '@':
			c.mail, digits = true, false
		default:
			c.bad, digits = true, false
		}
	}
	c.label = c.label || start == len(name) || len(name)-start > maxLabel
	c.number = digits || isHexNumber(name[start:])
	return c
}

// isHexNumber reports whether a label is a hexadecimal number as some resolvers read
// it, as in 0x7f.0.0.0x1.
func isHexNumber(label string) bool {
	if len(label) < 2 || label[0] != '0' || label[1]|0x20 != 'x' {
		return false
	}
	return strings.Trim(label[2:], "0123456789abcdefABCDEF") == ""
}

// checkShape says what is wrong with a name.
func checkShape(name string, c nameClass) Reason {
	const md5, sha1, sha256, sha512 = 32, 40, 64, 128
	n := len(name)
	switch {
	case c.mail && c.dot && !c.bad:
		return reasonMail
	case c.bad || c.mail || c.foreign:
		return reasonCharacter
	case c.hex && (n == md5 || n == sha1 || n == sha256 || n == sha512):
		return reasonHash
	case c.label:
		return reasonLabel
	case n > maxName:
		return reasonNameLong
	case c.number:
		return reasonNumeric
	}
	return ""
}
