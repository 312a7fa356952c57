package detail

import (
	"fmt"

	"wormscope/detect/alert"
)

// Check is wormscope.smb.check.*: a check for MS17-010.
type Check struct {
	Status   string `json:"status,omitempty"` // of the reply, hexadecimal
	DOS      bool   `json:"dos_status,omitempty"`
	Answered bool   `json:"answered"`
	Refused  bool   `json:"refused,omitempty"`
	Samba    bool   `json:"samba,omitempty"`
}

// Exploit is wormscope.smb.exploit.*.
type Exploit struct {
	Name      string `json:"name"`
	CVE       string `json:"cve"`
	Outcome   string `json:"outcome"`
	TotalData uint32 `json:"total_data,omitempty"`
	Size      uint32 `json:"original_size,omitempty"`
	Offset    uint32 `json:"offset,omitempty"`
}

// Implant is wormscope.smb.implant.*: DoublePulsar.
type Implant struct {
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
func (o *Detail) smb(a *alert.Alert) {
	s := a.Evidence.SMB
	o.SMB = &SMB{Port: a.Resp.Port(), Marks: s.Marks, OneWay: s.OneWay}
	if c := s.Check; c != nil {
		o.Patch = string(c.Patch)
		o.SMB.Check = &Check{DOS: c.DOSStatus, Answered: c.Answered, Refused: c.Refused, Samba: c.Samba}
		if c.Answered {
			o.SMB.Check.Status = hex(c.Status)
		}
	}
	if x := s.Exploit; x != nil {
		if x.Outcome == alert.Completed {
			o.Patch = string(alert.PatchVulnerable)
		}
		o.SMB.Exploit = &Exploit{
			Name: x.Name, CVE: x.CVE, Outcome: string(x.Outcome), TotalData: x.TotalData, Size: x.Size, Offset: x.Offset,
		}
	}
	if i := s.Implant; i != nil {
		o.SMB.Implant = &Implant{
			State: i.State, Operation: i.Operation, Result: i.Result, Arch: i.Arch, Instance: i.Instance,
			Pings: i.Pings, Execs: i.Execs, Timeout: hex(i.Timeout),
		}
		if i.Key != 0 {
			o.SMB.Implant.Key = hex(i.Key)
		}
	}
}

func hex(v uint32) string { return fmt.Sprintf("0x%08x", v) }
