package scope

import (
	"fmt"
	"net/netip"
	"strings"

	"wormscope/detect/alert"
)

// smbRule returns the rule whose alerts tell more of facts of a kind; empty
// for none.
func (k kind) smbRule() alert.Rule {
	switch k {
	case kindVulnerable, kindPatched, kindPatchUnknown:
		return alert.RuleCheck
	case kindExploitAttempted, kindExploitCompleted, kindExploitSent:
		return alert.RuleExploit
	case kindProbed, kindClean, kindImplanted, kindKilled, kindExecuted, kindPayload, kindPayloadSent:
		return alert.RuleDoublePulsar
	default:
		return ""
	}
}

// checkWord ends the names of what looks for hosts to attack.
const checkWord = " check"

// attackName names what an outside host did over SMB. Marks that others than
// WannaCry send are those of a tool that checks.
func (f *fact) attackName() string {
	switch f.kind {
	case kindChecking:
		return f.smb.name + checkWord
	case kindPayloadSent:
		return f.smb.name + " payload"
	case kindMark:
		if f.confidence < sureMark {
			return checkedPatch + checkWord
		}
		return "WannaCry"
	default:
		return f.smb.name
	}
}

// smbWords tells a fact from SMB as the predicate of a sentence about its host.
func (f *fact) smbWords() string {
	peer := "an unknown host"
	if f.peer.IsValid() {
		peer = f.peer.String()
	}
	return smbSentence(f.kind, f.smb.name, peer, f.count)
}

// smbSentence tells facts of one kind: peer is their peer, or how many there
// are.
func smbSentence(k kind, name, peer string, count uint64) string {
	name = printable(name)
	switch k {
	case kindVulnerable:
		if name != "" && name != detailCheck {
			return "is not patched against MS17-010: " + name
		}
		return "is vulnerable to MS17-010, as the check by " + peer + " shows"
	case kindPatched:
		return "is not vulnerable to MS17-010, as the check by " + peer + " shows"
	case kindPatchUnknown:
		return "was checked for MS17-010 by " + peer + ", without a result"
	case kindExploitAttempted:
		return "was attacked with " + name + " by " + peer + times(count)
	case kindExploitCompleted:
		return "was exploited with " + name + " by " + peer + times(count) + ": it is not patched"
	case kindExploitSent:
		return "attacked " + peer + " with " + name + times(count)
	case kindProbed:
		return "was asked for DoublePulsar by " + peer + ", without a result"
	case kindClean:
		return "did not have DoublePulsar when " + peer + " asked" + times(count)
	case kindImplanted:
		return "has the implant DoublePulsar" + named(name) + ", as its reply to " + peer + " shows"
	case kindKilled:
		return "had the implant DoublePulsar removed by " + peer
	case kindExecuted:
		return "ran in DoublePulsar what " + peer + " sent"
	case kindPayload:
		return "was sent a program through DoublePulsar by " + peer + times(count)
	case kindMark:
		return "sent " + peer + " what WannaCry sends (" + name + ")"
	case kindChecking:
		if name == checkedImplant {
			return "asked " + peer + " for DoublePulsar" + times(count)
		}
		return "checked " + peer + " for " + name
	case kindPayloadSent:
		return "ran code on " + peer + " through DoublePulsar" // a program, or less
	default:
		return k.String()
	}
}

// detailCheck is what facts about the patch are called that a check told.
const detailCheck = "check"

// times says how often, unless it was once.
func times(n uint64) string {
	switch n {
	case 0, 1:
		return ""
	case 2:
		return " twice"
	}
	return " " + grouped(n) + " times"
}

// named adds a name in brackets, when there is one.
func named(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

// smbPredicate tells an alert about SMB.
func smbPredicate(a *alert.Alert) string {
	by := a.Orig.Addr()
	if by == a.Host { // a server can attack its client
		by = a.Resp.Addr()
	}
	s := a.Evidence.SMB
	var told string
	switch {
	case s.Check != nil:
		told = checkWords(s, by)
	case s.Exploit != nil:
		told = exploitWords(s.Exploit, by) + times(a.Count)
		if s.Exploit.Outcome == alert.Completed {
			told += ": it is not patched"
		}
	case s.Implant != nil:
		told = implantWords(s.Implant, by)
	default:
		return "is the subject of the rule " + string(a.Rule)
	}
	if len(s.Marks) > 0 {
		told += "; the sender acts like WannaCry (" + strings.Join(s.Marks, ", ") + ")"
	}
	if s.OneWay {
		told += "; told from one direction of the traffic"
	}
	return told
}

func checkWords(e *alert.SMB, by netip.Addr) string {
	c, s := e.Check, "was checked for MS17-010 by "+by.String()+": "
	switch {
	case c.Patch == alert.PatchVulnerable:
		return s + "vulnerable"
	case c.Patch == alert.PatchPatched && c.Samba:
		return s + "not vulnerable, it is Samba"
	case c.Patch == alert.PatchPatched:
		return s + "patched"
	case !c.Answered && e.OneWay:
		return s + "the answer is not in the capture"
	case !c.Answered:
		return s + "no answer"
	case c.Refused:
		return s + "refused before the check, so it is not known whether it is patched"
	default:
		return s + "the answer does not tell"
	}
}

func exploitWords(x *alert.SMBExploit, by netip.Addr) string {
	if x.Outcome == alert.Completed {
		return "was exploited with " + printable(x.Name) + " (" + printable(x.CVE) + ") by " + by.String()
	}
	return "was attacked with " + printable(x.Name) + " (" + printable(x.CVE) + ") by " + by.String()
}

func implantWords(i *alert.SMBImplant, by netip.Addr) string {
	if i.State != "implanted" && i.State != "killed" {
		s := "was asked for the implant DoublePulsar by " + by.String()
		if i.State == "clean" {
			return s + ": it does not have it"
		}
		return s + ", without a result"
	}
	s := "has the implant DoublePulsar"
	if i.Key != 0 {
		s += fmt.Sprintf(" (key 0x%08x", i.Key)
		if i.Arch != "" {
			s += ", " + i.Arch
		}
		s += ")"
	}
	if i.Instance > 1 {
		s += fmt.Sprintf(", the %s one seen", ordinal(i.Instance))
	}
	switch {
	case i.State == "killed":
		s += ", which " + by.String() + " removed"
	case i.Execs > 0:
		s += " and ran " + counted(i.Execs, "message") + " of " + by.String()
	default:
		s += ", as its reply to " + by.String() + " shows"
	}
	return s
}

// ordinal writes a number as 2nd, 3rd, 4th.
func ordinal(n int) string {
	suffix := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		suffix = "st"
	case n%10 == 2:
		suffix = "nd"
	case n%10 == 3:
		suffix = "rd"
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
