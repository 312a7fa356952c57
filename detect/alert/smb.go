package alert

import (
	"fmt"
	"time"
)

// The rules about SMB.
const (
	RuleCheck        Rule = "ms17-010-check" // someone checked the host for MS17-010
	RuleExploit      Rule = "smb-exploit"    // the host was attacked; Alert.Name says how
	RuleDoublePulsar Rule = "doublepulsar"   // the host was asked for the implant, or has it
)

// Names of RuleDoublePulsar alerts.
const (
	NameProbed    = "probed"    // asked for the implant; it did not answer, or there is none
	NameImplanted = "implanted" // it answered as an implant
)

// NameSMBGhost is the name of RuleExploit alerts about the one exploit that goes
// through another flaw than those of MS17-010.
const NameSMBGhost = "SMBGhost"

// Facts about SMB for the ledger. Peer is the other end; where Confidence is 0, the
// ledger's own confidence in facts of the kind is meant (docs/scope.md).
const (
	// FactVulnerable, FactPatched and FactPatchUnknown: what a check, or the
	// time the server started, tells about the patch of MS17-010. Detail says
	// which of them.
	FactVulnerable   FactKind = "vulnerable"
	FactPatched      FactKind = "patched"
	FactPatchUnknown FactKind = "unknown"
	// FactExploitAttempted and FactExploitCompleted: the host was attacked;
	// Detail names the exploit. A completed one reached the flaw, so the host
	// is not patched; it proves no implant.
	FactExploitAttempted FactKind = "exploit-attempted"
	FactExploitCompleted FactKind = "exploit-completed"
	// FactExploitSent: the host attacked its peer; Detail names the exploit.
	FactExploitSent FactKind = "exploit-sent"
	// FactProbed: the host was asked for DoublePulsar and did not answer.
	FactProbed FactKind = "implant-probed"
	// FactClean: the host answered a ping for DoublePulsar as one without it.
	FactClean FactKind = "not-implanted"
	// FactImplanted: the host answered as DoublePulsar; Detail is the key.
	FactImplanted FactKind = "implanted"
	// FactKilled: DoublePulsar on the host was told to remove itself, and did.
	FactKilled FactKind = "implant-killed"
	// FactExecuted: DoublePulsar on the host ran what its peer sent.
	FactExecuted FactKind = "implant-executed"
	// FactPayload: so much was sent to DoublePulsar on the host that it must
	// be a program; Time and Frame are of its beginning.
	FactPayload FactKind = "payload-delivered"
	// FactMark: the host sent what only WannaCry sends; Detail names it.
	FactMark FactKind = "wannacry-mark"
	// FactAsset: what the host is, in Asset, whenever more is known.
	FactAsset FactKind = "asset"
)

// SMB is the evidence of an alert about SMB. Exactly the part of its rule is
// set.
type SMB struct {
	Check   *SMBCheck
	Exploit *SMBExploit
	Implant *SMBImplant
	Marks   []string // what the originator sent that is WannaCry's, in order of appearance
	OneWay  bool     // told from replies, or requests, alone: the others are not in the capture
}

// Patch is what is known about the patch of MS17-010 on a host.
type Patch string

// The states of the patch.
const (
	PatchVulnerable Patch = "vulnerable"
	PatchPatched    Patch = "patched"
	PatchUnknown    Patch = "unknown"
)

// SMBCheck is the evidence of a check for MS17-010.
type SMBCheck struct {
	Patch     Patch
	Status    uint32 // of the reply that decided; an NTSTATUS, 0 when there was none
	DOSStatus bool   // Status is a DOS error class and code, which tells nothing
	Answered  bool   // there was a reply
	// Refused says that the server did not let the client in, so the check
	// itself was not asked or not answered.
	Refused bool
	Samba   bool // the server is Samba, which never had this flaw
}

// Outcome is how far an exploit came.
type Outcome string

// The outcomes of an exploit.
const (
	Attempted Outcome = "attempted"
	Completed Outcome = "completed" // the server's reply shows that the flaw was reached
)

// SMBExploit is the evidence of an exploit.
type SMBExploit struct {
	Name      string // as Alert.Name
	CVE       string
	Outcome   Outcome
	TotalData uint32 // bytes that the malicious transaction announced, 0 where none did
	Size      uint32 // SMBGhost: OriginalSize
	Offset    uint32 // SMBGhost: Offset
}

// SMBImplant is the evidence of DoublePulsar.
type SMBImplant struct {
	State     string // "probed", "clean", "implanted" or "killed": the last that is known
	Operation string // "ping", "exec", "kill" or "unknown": the last that was asked for, empty when not seen
	Result    string // "ok", "bad-parameters" or "allocation-failed", empty without an implant's reply
	Key       uint32 // XOR key of the implant, 0 when not known
	Arch      string // "x86" or "x64", empty when not known
	Instance  int    // 1 for the first implant seen on the host, 2 after its key changed
	Pings     uint64
	Execs     uint64 // replies to exec that said ok, or requests where no replies are seen
	Timeout   uint32 // of the last request: the operation is its byte sum
}

// An Attribute is one thing learned about a host, and how sure it is.
type Attribute struct {
	Value      string  // empty when not known
	Confidence float64 // 0 to 1
	From       string  // "native-os", "ntlm" or "negotiate"
}

// Asset is what a host's SMB server says about itself.
type Asset struct {
	OS      Attribute // edition, as the server says it
	LAN     Attribute // NativeLanMan: the server's software
	Product Attribute // the system's name in short, such as "Windows 7"
	Build   Attribute // version and build, such as "6.1.7601"
	Name    Attribute // NetBIOS name
	Domain  Attribute // NetBIOS domain or workgroup
	DNSName Attribute

	// OutOfSupport says that Product gets no more fixes; Affected, that the
	// advisory treats it as affected whenever SMB is on (Windows XP, 2003 and
	// older).
	OutOfSupport bool
	Affected     bool
	Samba        bool

	SMB1     bool     // it accepted SMB1
	Dialects []string // that it accepted, such as "NT LM 0.12", "3.1.1", in order of appearance
	// SigningEnabled and SigningRequired are valid when SigningKnown.
	// Required signing does not stop the exploits of MS17-010.
	SigningKnown    bool
	SigningEnabled  bool
	SigningRequired bool
	Compression     bool      // it offers compression: a candidate for SMBGhost, no more
	GUID            string    // ServerGuid, hexadecimal, empty when not known
	Started         time.Time // ServerStartTime, zero when the server does not say
	// Unpatched says that the server runs since before the fix was published,
	// so whatever is installed, the code that runs is not patched.
	Unpatched bool
}

// Become notes whether the server is Samba. An address can go to another machine:
// then what a server of the other sort said of its system is dropped.
func (a *Asset) Become(samba bool) {
	if a.Samba == samba {
		return
	}
	a.Samba, a.OutOfSupport, a.Affected = samba, false, false
	a.OS, a.LAN, a.Build, a.Product = Attribute{}, Attribute{}, Attribute{}, Attribute{}
}

// Identity returns a text that is equal for two assets if and only if they say the
// same, and empty for nil.
func (a *Asset) Identity() string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%+v", *a)
}
