package ecs

import (
	"fmt"

	"wormscope/detect/alert"
)

// checkField is wormscope.smb.check.*: a check for MS17-010.
type checkField struct {
	Status   string `json:"status,omitempty"` // of the reply, hexadecimal
	DOS      bool   `json:"dos_status,omitempty"`
	Answered bool   `json:"answered"`
	Refused  bool   `json:"refused,omitempty"`
	Samba    bool   `json:"samba,omitempty"`
}

// exploitField is wormscope.smb.exploit.*.
type exploitField struct {
	Name      string `json:"name"`
	CVE       string `json:"cve"`
	Outcome   string `json:"outcome"`
	TotalData uint32 `json:"total_data,omitempty"`
	Size      uint32 `json:"original_size,omitempty"`
	Offset    uint32 `json:"offset,omitempty"`
}

// implantField is wormscope.smb.implant.*: DoublePulsar.
type implantField struct {
	State     string `json:"state"`
	Operation string `json:"operation,omitempty"`
	Result    string `json:"result,omitempty"`
	Key       string `json:"key,omitempty"` // hexadecimal
	Arch      string `json:"arch,omitempty"`
	Instance  int    `json:"instance,omitempty"`
	Pings     uint64 `json:"pings"`
	Execs     uint64 `json:"execs"`
	Timeout   string `json:"timeout"` // of the last request, hexadecimal
}

// smb fills in what an alert about SMB found.
func (o *own) smb(a *alert.Alert) {
	s := a.Evidence.SMB
	o.SMB = &smbField{Port: a.Resp.Port(), Marks: s.Marks, OneWay: s.OneWay}
	if c := s.Check; c != nil {
		o.Patch = string(c.Patch)
		o.SMB.Check = &checkField{DOS: c.DOSStatus, Answered: c.Answered, Refused: c.Refused, Samba: c.Samba}
		if c.Answered {
			o.SMB.Check.Status = hex(c.Status)
		}
	}
	if x := s.Exploit; x != nil {
		if x.Outcome == alert.Completed {
			o.Patch = string(alert.PatchVulnerable)
		}
		o.SMB.Exploit = &exploitField{
			Name: x.Name, CVE: x.CVE, Outcome: string(x.Outcome), TotalData: x.TotalData, Size: x.Size, Offset: x.Offset,
		}
	}
	if i := s.Implant; i != nil {
		o.SMB.Implant = &implantField{
			State: i.State, Operation: i.Operation, Result: i.Result, Arch: i.Arch, Instance: i.Instance,
			Pings: i.Pings, Execs: i.Execs, Timeout: hex(i.Timeout),
		}
		if i.Key != 0 {
			o.SMB.Implant.Key = hex(i.Key)
		}
	}
}

func hex(v uint32) string { return fmt.Sprintf("0x%08x", v) }

// smbTraits returns the traits of the rules about SMB.
func smbTraits(r alert.Rule) traits {
	both := []string{"intrusion_detection", "network"}
	switch r {
	case alert.RuleCheck:
		return traits{
			name: "Check for MS17-010", group: "smb", category: append(both, "vulnerability"),
			technique: technique{ID: []string{"T1046"}, Name: []string{"Network Service Discovery"}},
			tactic:    named{[]string{"TA0007"}, []string{"Discovery"}},
		}
	case alert.RuleDoublePulsar:
		return traits{
			name: "DoublePulsar", group: "smb", category: both,
			technique: technique{ID: []string{"T1205"}, Name: []string{"Traffic Signaling"}},
			tactic:    named{[]string{"TA0011"}, []string{"Command and Control"}},
		}
	default:
		return traits{
			name: "SMB exploit", group: "smb", category: both,
			technique: technique{ID: []string{"T1210"}, Name: []string{"Exploitation of Remote Services"}},
			tactic:    named{[]string{"TA0008"}, []string{"Lateral Movement"}},
		}
	}
}

// outcome returns event.outcome: an exploit that reached its flaw succeeded,
// and of others it is not known.
func outcome(a *alert.Alert) string {
	switch s := a.Evidence.SMB; {
	case s == nil || s.Exploit == nil:
		return ""
	case s.Exploit.Outcome == alert.Completed:
		return "success"
	default:
		return "unknown"
	}
}

// flawOf returns the flaw that an alert is about. A check looks for one of
// the five that MS17-010 is about; they come and go together.
func flawOf(a *alert.Alert) *flaw {
	s := a.Evidence.SMB
	if s == nil {
		return nil
	}
	id := ""
	switch {
	case s.Check != nil:
		id = "CVE-2017-0143"
	case s.Exploit != nil:
		id = s.Exploit.CVE
	}
	if id == "" {
		return nil
	}
	return &flaw{ID: id, Enumeration: "CVE", Reference: "https://www.cve.org/CVERecord?id=" + id}
}
