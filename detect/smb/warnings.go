package smb

import "fmt"

// Warnings says what weakens the detector's conclusions, in sentences without a full
// stop. There are none when nothing does.
func (s *Stats) Warnings() []string {
	var w []string
	warn := func(n uint64, one, many string) {
		switch n {
		case 0:
		case 1:
			w = append(w, one)
		default:
			w = append(w, fmt.Sprintf(many, n))
		}
	}
	warn(s.Flow.Gaps, "an SMB connection lacks bytes (gaps: 1): checks, exploits and implants may have been missed in it",
		"SMB connections lack bytes (gaps: %d): checks, exploits and implants may have been missed in them")
	warn(s.Sealed, "1 SMB message was encrypted: what it holds is unknown",
		"%d SMB messages were encrypted: what they hold is unknown")
	warn(s.Flow.Evicted, "1 SMB connection was no more followed to make room for others",
		"%d SMB connections were no more followed to make room for others")
	warn(s.Messages.NoBuffer+s.RequestsDropped, "1 SMB message or request was given up to make room for others",
		"%d SMB messages or requests were given up to make room for others")
	warn(s.HostsEvicted, "what was known of 1 SMB host was forgotten to make room for others",
		"what was known of %d SMB hosts was forgotten to make room for others")
	warn(s.ChangesLeftOut, "what SMB servers say of themselves changed too often: 1 change was left out",
		"what SMB servers say of themselves changed too often: %d changes were left out")
	return w
}
