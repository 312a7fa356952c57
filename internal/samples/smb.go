package samples

import (
	"net/netip"

	"wormscope/detect/alert"
)

// smbSamples holds an event of every rule about SMB, and of every outcome that
// changes which fields there are.
func smbSamples() []Sample {
	said := func(name string, rule alert.Rule, variant string, severity alert.Severity, e alert.SMB) Sample {
		return Sample{Name: name, Event: Alert(alert.Alert{
			Rule: rule, Name: variant, Severity: severity, Host: addr("10.1.0.20"), Proto: 6,
			Orig: netip.MustParseAddrPort("10.1.0.14:49472"), Resp: netip.MustParseAddrPort("10.1.0.20:445"),
			Evidence: alert.Evidence{SMB: &e},
		})}
	}
	marks := []string{"check-header", "ping-timeout"}
	return []Sample{
		said("ms17-010-check", alert.RuleCheck, "", alert.High, alert.SMB{
			Check: &alert.SMBCheck{Patch: alert.PatchVulnerable, Status: 0xC0000205, Answered: true}, Marks: marks[:1],
		}),
		said("ms17-010-check-samba", alert.RuleCheck, "", alert.Low, alert.SMB{
			Check: &alert.SMBCheck{Patch: alert.PatchPatched, Status: 0xC0000022, Answered: true, Samba: true},
		}),
		said("ms17-010-check-unanswered", alert.RuleCheck, "", alert.Medium, alert.SMB{
			Check: &alert.SMBCheck{Patch: alert.PatchUnknown},
		}),
		said("ms17-010-check-refused", alert.RuleCheck, "", alert.Medium, alert.SMB{
			Check: &alert.SMBCheck{Patch: alert.PatchUnknown, Status: 0xC0000022, Answered: true, Refused: true},
		}),
		said("smb-exploit", alert.RuleExploit, "EternalBlue", alert.Critical, alert.SMB{
			Exploit: &alert.SMBExploit{Name: "EternalBlue", CVE: "CVE-2017-0144", Outcome: alert.Completed, TotalData: 66512}, Marks: marks,
		}),
		said("smb-exploit-attempted", alert.RuleExploit, "SMBGhost", alert.High, alert.SMB{
			Exploit: &alert.SMBExploit{Name: "SMBGhost", CVE: "CVE-2020-0796", Outcome: alert.Attempted, Size: 0xFFFFFFFF, Offset: 16}, OneWay: true,
		}),
		said("doublepulsar", alert.RuleDoublePulsar, alert.NameImplanted, alert.Critical, alert.SMB{
			Implant: &alert.SMBImplant{
				State: "implanted", Operation: "exec", Result: "ok", Key: 0x57d0c042, Arch: "x64", Instance: 1,
				Pings: 3, Execs: 1295, Timeout: 0x001A8925,
			}, Marks: marks,
		}),
		said("doublepulsar-probed", alert.RuleDoublePulsar, alert.NameProbed, alert.Medium, alert.SMB{
			Implant: &alert.SMBImplant{State: "clean", Operation: "ping", Pings: 1, Timeout: 0x00EE3401},
		}),
	}
}
