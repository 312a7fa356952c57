package scope

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"wormscope/detect/alert"
)

// asset is what a host's SMB server says about itself, put together from all
// that was told.
type asset struct {
	alert.Asset
	at int64 // when the latest part was told, Unix nanoseconds
}

// learnAsset takes what a detector knows about a host. Of two values the surer
// one is kept, of equals the later one.
func (l *Ledger) learnAsset(f *alert.Fact) {
	if !l.zones.Inside(f.Host) {
		return
	}
	h := l.hosts.get(f.Host)
	at := f.Time.UnixNano()
	if h.asset == nil {
		h.asset = &asset{at: at}
	}
	h.asset.take(f.Asset, at)
	l.review(h, f.Time, f.Frame)
}

// take merges what was told at a time.
func (a *asset) take(from *alert.Asset, at int64) {
	later := at >= a.at
	a.at = max(a.at, at)
	a.system(from, later)
	replaceAttribute(&a.Name, from.Name, later)
	replaceAttribute(&a.Domain, from.Domain, later)
	replaceAttribute(&a.DNSName, from.DNSName, later)
	a.SMB1 = a.SMB1 || from.SMB1
	for _, d := range from.Dialects {
		if !slices.Contains(a.Dialects, d) && len(a.Dialects) < maxDialects {
			a.Dialects = append(a.Dialects, d)
		}
	}
	if from.SigningKnown && (later || !a.SigningKnown) {
		a.SigningKnown, a.SigningEnabled, a.SigningRequired = true, from.SigningEnabled, from.SigningRequired
	}
	a.Compression = a.Compression || from.Compression
	if from.GUID != "" && (later || a.GUID == "") {
		a.GUID = from.GUID
	}
	if !from.Started.IsZero() && (later || a.Started.IsZero()) {
		a.Started, a.Unpatched = from.Started, from.Unpatched
	}
}

// system merges what was told of the system. What an earlier machine with the
// address said, a Samba where there is a Windows now or the other way round, is
// dropped.
func (a *asset) system(from *alert.Asset, later bool) {
	if from.OS.Value == "" && from.LAN.Value == "" && from.Build.Value == "" && from.Product.Value == "" {
		return // not told yet
	}
	if a.Samba != from.Samba && !later && a.Product.Value != "" {
		return
	}
	a.Become(from.Samba)
	if replaceAttribute(&a.Product, from.Product, later) {
		a.OutOfSupport, a.Affected = from.OutOfSupport, from.Affected
	}
	replaceAttribute(&a.OS, from.OS, later)
	replaceAttribute(&a.LAN, from.LAN, later)
	replaceAttribute(&a.Build, from.Build, later)
}

// maxDialects is how many dialects of a host are kept; there are no more.
const maxDialects = 16

// replaceAttribute puts a value in the place of a less sure one, or of an
// earlier one that is as sure, and reports whether it did.
func replaceAttribute(to *alert.Attribute, by alert.Attribute, later bool) bool {
	if by.Value == "" || by.Confidence < to.Confidence || by.Confidence == to.Confidence && !later {
		return false
	}
	*to = by
	return true
}

// patch is what is known about the patch of MS17-010 on a host.
type patch struct {
	state      alert.Patch
	confidence float64 // 0 when unknown
	why        string  // empty when unknown
}

// patch weighs what tells about the patch. What the host itself showed, in the
// reply to a check or by an exploit that got through, is believed, the latest
// of it: hosts are patched while an outbreak goes on. Else what its server is
// decides.
func (h *host) patch() patch {
	var shown, guessed *fact
	for i := range h.facts {
		f := &h.facts[i]
		switch f.kind {
		case kindVulnerable, kindPatched, kindExploitCompleted:
			if f.confidence < surePatch {
				guessed = stronger(guessed, f)
			} else if shown == nil || f.last > shown.last || f.last == shown.last && f.kind > shown.kind {
				shown = f
			}
		default:
		}
	}
	switch {
	case shown != nil:
		return patchOf(shown)
	case h.asset.notAffected() > 0 && (guessed == nil || guessed.confidence <= h.asset.notAffected()):
		return patch{alert.PatchPatched, h.asset.notAffected(), h.asset.whyNotAffected()}
	case guessed != nil:
		return patchOf(guessed)
	default:
		return patch{state: alert.PatchUnknown}
	}
}

// stronger returns the more certain of two facts, the first of equals.
func stronger(a, b *fact) *fact {
	if a == nil || compareStrength(b, a) < 0 {
		return b
	}
	return a
}

// patchOf tells what one fact says of the patch.
func patchOf(f *fact) patch {
	state := alert.PatchVulnerable
	if f.kind == kindPatched {
		state = alert.PatchPatched
	}
	return patch{state, f.confidence, f.words()}
}

// firstFixedBuild is that of Windows 10 1703, the first that was published
// with the fix in it: the bulletin of MS17-010 lists 1607 and earlier.
const firstFixedBuild = 15063

// notAffected returns how sure it is that the host's system is without the
// flaws of MS17-010, whether patched or not; 0 when it may have them.
func (a *asset) notAffected() float64 {
	if a == nil {
		return 0
	}
	if a.Samba {
		return a.Product.Confidence
	}
	digits, ok := strings.CutPrefix(a.Build.Value, "10.0.")
	if build, err := strconv.Atoi(digits); !ok || err != nil || build < firstFixedBuild {
		return 0
	}
	return a.Build.Confidence
}

// whyNotAffected says what a system without the flaws is.
func (a *asset) whyNotAffected() string {
	if a.Samba {
		return "Samba never had the flaw"
	}
	return "build " + a.Build.Value + " came out after the fix"
}

// AssetEntry is what a host's SMB server says about itself. Nothing of it is
// proof: a server can say what it likes.
type AssetEntry struct {
	Product  *Attribute `json:"product,omitempty"`  // in short, such as Windows 7
	OS       *Attribute `json:"os,omitempty"`       // as the server says it, with its edition
	Build    *Attribute `json:"build,omitempty"`    // such as 6.1.7601
	Software *Attribute `json:"software,omitempty"` // NativeLanMan
	Name     *Attribute `json:"name,omitempty"`     // NetBIOS
	Domain   *Attribute `json:"domain,omitempty"`   // NetBIOS domain or workgroup
	DNSName  *Attribute `json:"dns_name,omitempty"`

	Dialects []string `json:"dialects"` // that it accepted, in the order seen
	SMB1     bool     `json:"smb1"`     // it accepted SMB1
	// Signing is required, enabled, off or unknown. It does not stop the
	// exploits of MS17-010.
	Signing      string     `json:"signing"`
	Compression  bool       `json:"compression,omitempty"` // a candidate for SMBGhost, no more
	ServerGUID   string     `json:"server_guid,omitempty"`
	ServerStart  *time.Time `json:"server_start,omitempty"`
	OutOfSupport bool       `json:"out_of_support"` // the product gets no more fixes
	// Affected says that the product is treated as affected whenever SMB is
	// on: Windows XP, Server 2003 and older.
	Affected bool `json:"affected"`
	Samba    bool `json:"samba,omitempty"`
}

// Attribute is one thing learned about a host.
type Attribute struct {
	Value      string  `json:"value"`
	Confidence float64 `json:"confidence"` // 0 to 1
	From       string  `json:"from"`       // native-os, ntlm or negotiate
}

// entry writes an asset down; nil for nothing.
func (a *asset) entry() *AssetEntry {
	if a == nil {
		return nil
	}
	e := &AssetEntry{
		Product: attribute(a.Product), OS: attribute(a.OS), Build: attribute(a.Build), Software: attribute(a.LAN),
		Name: attribute(a.Name), Domain: attribute(a.Domain), DNSName: attribute(a.DNSName),
		Dialects: append([]string{}, a.Dialects...), SMB1: a.SMB1, Signing: "unknown",
		Compression: a.Compression, ServerGUID: a.GUID,
		OutOfSupport: a.OutOfSupport, Affected: a.Affected, Samba: a.Samba,
	}
	switch {
	case !a.SigningKnown:
	case a.SigningRequired:
		e.Signing = "required"
	case a.SigningEnabled:
		e.Signing = "enabled"
	default:
		e.Signing = "off"
	}
	if !a.Started.IsZero() {
		started := a.Started.UTC()
		e.ServerStart = &started
	}
	return e
}

func attribute(a alert.Attribute) *Attribute {
	if a.Value == "" {
		return nil
	}
	return &Attribute{a.Value, rounded(a.Confidence), a.From}
}
