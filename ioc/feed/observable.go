package feed

import (
	"net/netip"
	"strconv"
	"strings"

	"wormscope/ioc"
)

// An observable is an entry of a feed, taken apart.
type observable struct {
	kind  ioc.Type
	name  string // canonical
	exact bool   // the name alone is meant, not names below it
	net   netip.Prefix
	port  uint16 // 0 when none is named
	url   string // the entry itself, when the observable is only its host
}

// addr returns an address and port.
func (o *observable) addr() netip.AddrPort { return netip.AddrPortFrom(o.net.Addr(), o.port) }

// A parser takes entries apart and refuses what is not a sensible indicator.
type parser struct {
	guards guards
	force  bool
}

// parse takes an entry apart: an address, network, name or URL, also with a
// port, a wildcard or defanged. An empty reason means that it is usable.
func (p *parser) parse(text string) (observable, Reason) {
	if p.isPlainName(text) {
		return observable{kind: ioc.Domain, name: text}, ""
	}
	return p.takeApart(text)
}

// takeApart is parse without the fast path for plain names.
func (p *parser) takeApart(text string) (observable, Reason) {
	if strings.IndexByte(text, '[') >= 0 || strings.IndexByte(text, '(') >= 0 || strings.IndexByte(text, '{') >= 0 || isHxxp(text) {
		text = refang(text)
	}
	text, onSome, reason := unwrapRule(text)
	if reason != "" {
		return observable{}, reason
	}
	if onSome {
		if o, reason := p.takeApart(text); reason != "" || !p.guards.isShared(o.name) {
			return o, reason
		}
		return observable{}, reasonShared
	}
	if scheme := strings.Index(text, "://"); scheme >= 0 && isScheme(text[:scheme]) {
		return p.parseURL(text, text[scheme+3:])
	}
	text = strings.TrimPrefix(text, "*")
	if text = strings.TrimPrefix(text, "."); text == "" {
		return observable{}, reasonEmpty
	}
	if o, reason, ok := p.parseRange(text); ok {
		return o, reason
	}
	if slash := strings.IndexByte(text, '/'); slash >= 0 {
		host, tail := text[:slash], text[slash+1:]
		switch {
		case slash == 0:
			return observable{}, reasonPath
		case len(tail) >= 1 && len(tail) <= 3 && isNumeric(tail) && (strings.IndexByte(host, ':') >= 0 || isDotted(host)):
			return p.parseNetwork(host, tail)
		case isNumeric(tail) && isDotted(host) && strings.Count(tail, ".") == 3:
			return p.parseMask(host, tail)
		case isDotted(host) && isPrefixAndPort(tail):
			return observable{}, reasonNetwork
		}
		return p.parseURL(text, text)
	}
	return p.parseHost(text)
}

// isPlainName reports whether an entry is a name that can be used as it is.
func (p *parser) isPlainName(text string) bool {
	dot, ok := plainDot(text)
	return ok && !p.guards.suffixes.mayBe(text, dot)
}

// isHxxp reports whether a text begins as a defanged URL does: with hxxp or hxxps, and
// then a colon, perhaps in brackets. Without the colon it may be a name.
func isHxxp(text string) bool {
	if len(text) <= 4 || text[0]|0x20 != 'h' || !strings.EqualFold(text[:4], "hxxp") {
		return false
	}
	rest := text[4:]
	if rest[0]|0x20 == 's' {
		rest = rest[1:]
	}
	return strings.HasPrefix(strings.TrimLeft(rest, "[({"), ":")
}

// refang undoes what people do to indicators so that nobody follows them.
func refang(text string) string {
	if isHxxp(text) {
		text = "http" + text[4:]
	}
	return strings.NewReplacer(
		"[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "{dot}", ".",
		"[DOT]", ".", "(DOT)", ".", "{DOT}", ".", "[.", ".", ".]", ".",
		"[://]", "://", "[:]", ":", "(:)", ":", "[/]", "/", "[@]", "@", "[at]", "@", "(at)", "@",
	).Replace(text)
}

// unwrapRule takes the name, or the URL, out of a rule for ad blockers:
// ||name^, ||name^$options, ||name/path. OnSome says that it holds for what some sites
// load, and is as little about the name itself as the URL of a page is.
func unwrapRule(text string) (inner string, onSome bool, reason Reason) {
	if strings.HasPrefix(text, "@@") {
		return "", false, reasonException
	}
	rule, ok := strings.CutPrefix(text, "||")
	if !ok {
		return text, false, ""
	}
	rule, options, _ := strings.Cut(rule, "$")
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch strings.TrimSpace(key) {
		case "badfilter":
			return "", false, reasonException
		case "cookie", "csp", "ehide", "elemhide", "generichide", "ghide", "hls", "jsonprune", "permissions", "removeheader", "removeparam",
			"replace", "shide", "specifichide", "stealth", "uritransform", "urlskip", "urltransform", "xmlprune":
			return "", false, reasonCosmetic
		case "domain", "from":
			onSome = onSome || !strings.HasPrefix(value, "~")
		}
	}
	// A ^ in the middle stands for any character that can end a host name.
	return strings.Replace(strings.TrimRight(rule, "^|"), "^", "/", 1), onSome, ""
}

// isScheme reports whether a text is a URL scheme (RFC 3986, 3.1).
func isScheme(text string) bool {
	for i := range len(text) {
		c := text[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || !isDigit(text[i]) && text[i] != '+' && text[i] != '-' && text[i] != '.') {
			return false
		}
	}
	return text != ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isNumeric reports whether a text has digits and dots only.
func isNumeric(text string) bool {
	for i := range len(text) {
		if !isDigit(text[i]) && text[i] != '.' {
			return false
		}
	}
	return true
}

// isDotted reports whether a text is meant to be an IPv4 address.
func isDotted(text string) bool {
	return isNumeric(text) && strings.IndexByte(text, '.') >= 0
}

// isPrefixAndPort reports whether a text is the length of a prefix and a port, as in
// 192.0.2.0/24:443. As a page of an address it would stand for all ports of that.
func isPrefixAndPort(text string) bool {
	bits, port, ok := strings.Cut(text, ":")
	return ok && len(bits) > 0 && len(bits) <= 2 && isNumeric(bits) && isNumeric(port)
}

// parseURL takes host and port out of rest, which is what follows a URL's scheme. A
// URL with a path or a query is about one page of its host. So it says nothing of
// names below the host, and nothing of the host if that is one that many share. There
// a fragment names a page, too: mega.nz/#!file.
func (p *parser) parseURL(url, rest string) (observable, Reason) {
	page := ""
	if end := strings.IndexAny(rest, "/?#\\"); end >= 0 {
		rest, page = rest[:end], strings.TrimLeft(rest[end:], `/\*`)
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	if rest == "" {
		return observable{}, reasonPath
	}
	o, reason := p.parseHost(rest)
	o.url = url
	if reason != "" || o.kind != ioc.Domain || page == "" {
		return o, reason
	}
	if o.exact || p.guards.isShared(o.name) {
		return observable{}, reasonShared
	}
	o.exact = page[0] != '#' // a fragment alone is a place in the host's first page
	return o, ""
}

// parseHost takes apart an address or a name, with a port or without.
func (p *parser) parseHost(text string) (observable, Reason) {
	if text[0] == '[' {
		return p.parseBracketed(text[1:])
	}
	colon := strings.IndexByte(text, ':')
	if colon >= 0 && strings.IndexByte(text[colon+1:], ':') >= 0 {
		return p.parseAddress(text, 0)
	}
	var port uint16
	if colon >= 0 {
		var reason Reason
		if port, reason = parsePort(text[colon:]); reason != "" {
			return observable{}, reason
		}
		text = text[:colon]
	}
	if isDotted(text) {
		return p.parseAddress(text, port)
	}
	name, exact, reason := p.guards.name(text)
	return observable{kind: ioc.Domain, name: name, exact: exact, port: port}, reason
}

// parseBracketed reads what follows an opening bracket: an address, the closing
// bracket, and perhaps a port.
func (p *parser) parseBracketed(text string) (observable, Reason) {
	addr, rest, ok := strings.Cut(text, "]")
	switch {
	case strings.IndexByte(addr, ':') < 0 && !isDotted(addr):
		return observable{}, reasonCharacter // a pattern, perhaps
	case !ok:
		return observable{}, reasonAddress
	}
	port, reason := parsePort(rest)
	if reason != "" {
		return observable{}, reason
	}
	return p.parseAddress(addr, port)
}

// parsePort reads ":port". Port 0 stands for an empty text.
func parsePort(text string) (uint16, Reason) {
	if text == "" {
		return 0, ""
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, ":"), 10, 16)
	if err != nil || n == 0 || text[0] != ':' || !isDigit(text[1]) {
		return 0, reasonPort
	}
	return uint16(n), ""
}

// parseAddress reads an address.
func (p *parser) parseAddress(text string, port uint16) (observable, Reason) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return observable{}, reasonAddress
	}
	if a.Zone() != "" {
		return observable{}, reasonZone
	}
	a = a.Unmap()
	o := observable{kind: ioc.Address, net: netip.PrefixFrom(a, a.BitLen()), port: port}
	return o, p.special(o.net)
}

// parseNetwork reads an address and the length of a prefix, in bits.
func (p *parser) parseNetwork(host, bits string) (observable, Reason) {
	a, err := netip.ParseAddr(host)
	n, bitsErr := strconv.Atoi(bits)
	if err != nil || bitsErr != nil || n > a.BitLen() || len(bits) > 1 && bits[0] == '0' {
		return observable{}, reasonNetwork
	}
	if a.Zone() != "" {
		return observable{}, reasonZone
	}
	if a.Is4In6() {
		const mapped = 96
		if n < mapped {
			return observable{}, reasonNetwork
		}
		a, n = a.Unmap(), n-mapped
	}
	return p.network(netip.PrefixFrom(a, n))
}

// special refuses networks that would match too much, unless forced.
func (p *parser) special(n netip.Prefix) Reason {
	if p.force {
		return ""
	}
	return p.guards.network(n)
}
