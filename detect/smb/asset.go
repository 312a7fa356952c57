package smb

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

// source is what part of a server's messages an asset was read from.
type source uint8

const (
	fromNegotiate source = iota
	fromSetUp
	fromNTLM
	fromNegotiate2
	fromNames
	sources int = iota // how many there are
)

// The names of sources in alert.Attribute.
const (
	sourceNativeOS = "native-os"
	sourceNTLM     = "ntlm"
	sourceNames    = "negotiate"
)

// fixed is when MS17-010 was published: a server that runs since before runs
// code without it.
const fixed = 1489449600 // 2017-03-14T00:00:00Z

// What servers say changes with a new machine at their address, and with each
// connection where several share it. So many changes are told at once, and then one in
// such a time: who says another name in each reply fills no state folder.
const (
	manyChanges = 32
	changeEvery = int64(time.Minute)
)

// mayTell reports whether a change of what the server says is to be told at a packet
// time.
func (h *host) mayTell(now int64) bool {
	const most = manyChanges * changeEvery
	if h.changed > now+most+detect.ClockBack { // by a clock that was set back since
		h.changed = now
	}
	next := max(h.changed, now) + changeEvery
	if next > now+most {
		return false
	}
	h.changed = next
	return true
}

// asset lets learn read something about the server into its asset, unless
// these bytes were read before, and tells what changed.
func (c *conn) asset(from source, raw []byte, at flow.Segment, learn func(a *alert.Asset)) {
	d, addr := c.d, c.server.Addr()
	h := d.host(addr)
	digest := digestOf(raw)
	if h.read[from] == digest {
		return
	}
	h.read[from] = digest
	if h.asset == nil {
		h.asset = &alert.Asset{}
	}
	before := cloneAsset(h.asset)
	learn(h.asset)
	classify(h.asset)
	if reflect.DeepEqual(&before, h.asset) {
		return
	}
	if from == fromNTLM && h.asset.Samba != before.Samba {
		h.read[fromSetUp] = 0 // dropped, to be read again
	}
	if !h.mayTell(at.Time) {
		d.stats.ChangesLeftOut++
		return
	}
	now := cloneAsset(h.asset)
	d.fact(alert.Fact{Kind: alert.FactAsset, Host: addr, Port: c.server.Port(), Asset: &now}, at)
	if now.Unpatched && !h.unpatched {
		d.fact(alert.Fact{
			Kind: alert.FactVulnerable, Host: addr, Port: c.server.Port(),
			Detail: "running since " + now.Started.Format(time.RFC3339), Confidence: 0.7,
		}, at)
	}
	h.unpatched = now.Unpatched
}

// digestOf returns the FNV-1a hash of bytes, never 0. Who makes two replies
// with one hash hides a change of what a server says, and nothing else.
func digestOf(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return max(h, 1)
}

// cloneAsset returns a copy that shares nothing.
func cloneAsset(a *alert.Asset) alert.Asset {
	c := *a
	c.Dialects = slices.Clone(a.Dialects)
	return c
}

// negotiated reads a server's choice of dialect.
func (c *conn) negotiated(h *smb1.Header, b []byte, at flow.Segment) {
	dialect, ok := smb1.NegotiateDialect(b)
	if !ok || dialect == smb1.NoDialect {
		return
	}
	n, ok := smb1.ParseNegotiate(b)
	raw := []byte{0, h.WordCount}
	if n.SigningKnown {
		raw = append(raw, b[35])
		raw = append(raw, n.GUID...)
	}
	c.asset(fromNegotiate, raw, at, func(a *alert.Asset) {
		a.SMB1 = true
		if !ok {
			addDialect(a, "before NT LM 0.12")
			return
		}
		addDialect(a, "NT LM 0.12")
		a.SigningKnown = a.SigningKnown || n.SigningKnown
		a.SigningEnabled = a.SigningEnabled || n.SigningEnabled
		a.SigningRequired = a.SigningRequired || n.SigningRequired
		if n.GUID != nil {
			a.GUID = hex.EncodeToString(n.GUID)
		}
	})
	c.names(&n, at)
}

// names reads the names that a server gives itself when it chooses a dialect without
// extended security, as those do that are attacked: before any session, and so also
// where it refuses one.
func (c *conn) names(n *smb1.Negotiate, at flow.Segment) {
	if len(n.Names) == 0 {
		return
	}
	wide := n.Capabilities&smb1.CapUnicode != 0
	c.asset(fromNames, n.Names, at, func(a *alert.Asset) {
		rest := n.Names
		for _, field := range []*alert.Attribute{&a.Domain, &a.Name} {
			if raw, more := smb1.NextString(&rest, wide); more && len(raw) > 0 {
				setAttribute(field, smb1.Text(raw, wide), 0.9, sourceNames)
			}
		}
	})
}

// setUp reads what a server says in its reply to a session set-up.
func (c *conn) setUp(h *smb1.Header, b []byte, at flow.Segment) {
	s, ok := smb1.ParseSessionSetup(b, h)
	if !ok {
		return
	}
	c.challenge(s.Blob, at)
	if len(s.Strings) == 0 {
		return
	}
	c.asset(fromSetUp, s.Strings, at, func(a *alert.Asset) {
		rest := s.Strings
		a.SMB1 = true
		var said [3]string // of NativeOS, NativeLanMan and PrimaryDomain
		for i := range said {
			raw, more := smb1.NextString(&rest, h.Unicode())
			if !more || s.Cut && len(rest) == 0 {
				break
			}
			said[i] = smb1.Text(raw, h.Unicode())
		}
		if lan := strings.ToLower(said[1]); lan != "" {
			a.Become(strings.HasPrefix(lan, "samba"))
		}
		for i, field := range []*alert.Attribute{&a.OS, &a.LAN, &a.Domain} {
			if said[i] != "" {
				setAttribute(field, said[i], 0.9, sourceNativeOS)
			}
		}
		if build := buildOfName(a.OS.Value, a.LAN.Value); build != "" {
			setAttribute(&a.Build, build, 0.9, sourceNativeOS)
		}
	})
}

// challenge reads what a server says in an NTLM challenge.
func (c *conn) challenge(blob []byte, at flow.Segment) {
	n, ok := smb1.FindChallenge(blob)
	if !ok {
		return
	}
	raw := binary.LittleEndian.AppendUint16([]byte{n.Major, n.Minor}, n.Build)
	raw = append(append(append(raw, n.Computer...), n.Domain...), n.DNSName...)
	c.asset(fromNTLM, raw, at, func(a *alert.Asset) {
		switch {
		case !n.HasVersion || n.Major == 0:
		case n.Build == 0: // Samba says that it is 6.1, but no build
			if n.Major == 6 && n.Minor == 1 {
				a.Become(true)
			}
		default:
			a.Become(false)
			// The build of NTLM's library, which can lag behind the system's.
			setAttribute(&a.Build, fmt.Sprintf("%d.%d.%d", n.Major, n.Minor, n.Build), 0.7, sourceNTLM)
		}
		for _, f := range []struct {
			to  *alert.Attribute
			raw []byte
		}{{&a.Name, n.Computer}, {&a.Domain, n.Domain}, {&a.DNSName, n.DNSName}} {
			if len(f.raw) > 0 {
				setAttribute(f.to, smb1.Text(f.raw, true), 0.95, sourceNTLM)
			}
		}
	})
}

// reply2 reads the first replies of SMB2 and SMB3.
func (c *conn) reply2(b []byte, at flow.Segment) {
	h, ok := smb1.ParseHeader2(b)
	if !ok || !h.Reply() {
		return
	}
	switch h.Command {
	case smb1.Command2Negotiate:
		if n, ok := smb1.ParseNegotiate2(b); ok && h.Status == smb1.StatusSuccess {
			c.negotiated2(&n, b, at)
		}
	case smb1.Command2SessionSetup:
		if blob, ok := smb1.SessionSetup2(b); ok {
			c.challenge(blob, at)
		}
	}
}

// negotiated2 reads a reply to SMB2 NEGOTIATE. What is unlike in each reply,
// such as its time, is no part of the digest.
func (c *conn) negotiated2(n *smb1.Negotiate2, b []byte, at flow.Segment) {
	raw := slices.Concat(b[66:70], n.GUID, b[112:120])
	c.asset(fromNegotiate2, raw, at, func(a *alert.Asset) {
		if n.Dialect != dialectAgain {
			addDialect(a, dialect2(n.Dialect))
		}
		a.SigningKnown, a.SigningEnabled = true, true
		a.SigningRequired = a.SigningRequired || n.SigningRequired
		a.Compression = a.Compression || n.Compression
		a.GUID = hex.EncodeToString(n.GUID)
		if started, ok := startOf(n, at.Time); ok {
			a.Started = started
		}
	})
}

const (
	// maxUptime is how long a server may have been running. One that says more
	// started with a clock that was set right later.
	maxUptime = 5 * 365 * 24 * time.Hour
	// maxSkew is how wrong a server's clock may be for its time to be kept.
	maxSkew = 24 * time.Hour
	// firstSMB2 is when the first system with SMB2 was released (Windows Vista).
	// An older capture was made with a clock that was never set, or with none.
	firstSMB2 = 1162944000 // 2006-11-08T00:00:00Z
)

// startOf returns when a server started, by the capture's clock where its own
// is wrong, or false when it does not say, or nothing that can be.
func startOf(n *smb1.Negotiate2, now int64) (time.Time, bool) {
	started, ok := fileTime(n.ServerStartTime)
	clock, known := fileTime(n.SystemTime)
	uptime := clock.Sub(started)
	if !ok || !known || uptime < 0 || uptime > maxUptime {
		return time.Time{}, false
	}
	seen := time.Unix(0, now).UTC()
	if seen.Unix() > firstSMB2 && clock.Sub(seen).Abs() > maxSkew {
		return seen.Add(-uptime).Truncate(time.Second), true
	}
	return started, true
}

// dialectAgain asks the client to negotiate again, in SMB2 (MS-SMB2 2.2.4).
const dialectAgain = 0x02FF

// dialect2 names a dialect of SMB2 or SMB3.
func dialect2(d uint16) string {
	switch d {
	case 0x0202:
		return "2.0.2"
	case 0x0210:
		return "2.1"
	case 0x0300:
		return "3.0"
	case 0x0302:
		return "3.0.2"
	case 0x0311:
		return "3.1.1"
	default:
		return fmt.Sprintf("0x%04x", d)
	}
}

// addDialect notes a dialect that the server accepted. A server that accepts
// another one each time fills no table.
func addDialect(a *alert.Asset, name string) {
	if len(a.Dialects) < 8 && !slices.Contains(a.Dialects, name) {
		a.Dialects = append(a.Dialects, name)
	}
}

// setAttribute notes a value, unless a surer one is there.
func setAttribute(to *alert.Attribute, value string, confidence float64, from string) {
	if to.Value == "" || confidence >= to.Confidence {
		*to = alert.Attribute{Value: value, Confidence: confidence, From: from}
	}
}

// fileTime converts a FILETIME (MS-DTYP 2.3.3), or returns false when it is
// zero or beyond reason.
func fileTime(ft uint64) (time.Time, bool) {
	const (
		perSecond = 10_000_000
		toUnix    = 11_644_473_600 // seconds from 1601 to 1970
		latest    = (toUnix + 1<<33) * perSecond
	)
	if ft < toUnix*perSecond || ft > latest {
		return time.Time{}, false
	}
	return time.Unix(int64(ft/perSecond)-toUnix, int64(ft%perSecond)*100).UTC(), true
}

// classify draws conclusions from what is known about a host.
func classify(a *alert.Asset) {
	name, confidence, from := "", 0.0, ""
	switch {
	case a.Samba:
		name, confidence, from = "Samba", max(a.LAN.Confidence, 0.6), sourceNativeOS
		if a.LAN.Value == "" {
			from = sourceNTLM
		}
	case a.OS.Value != "":
		name, confidence, from = productOfName(a.OS.Value), a.OS.Confidence, sourceNativeOS
	}
	if name == "" && a.Build.Value != "" && !a.Samba {
		name, confidence, from = productOfBuild(a.Build.Value), 0.55, sourceNTLM
	}
	if name != "" {
		a.Product = alert.Attribute{Value: name, Confidence: confidence, From: from}
	}
	a.OutOfSupport, a.Affected = support(a.Product.Value)
	a.Unpatched = !a.Samba && !a.Started.IsZero() && a.Started.Unix() < fixed
}
