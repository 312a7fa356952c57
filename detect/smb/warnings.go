package smb

import "fmt"

// Warnings says what weakens the detector's conclusions, in sentences without a full
// stop. There are none when nothing does.
func (s *Stats) Warnings() []string {
	var w []string
	warn := func(n uint64, format string) {
		if n > 0 {
			w = append(w, fmt.Sprintf(format, n))
		}
	}
	warn(s.Flow.Gaps, "SMB connections lack bytes (gaps: %d): checks, exploits and implants may have been missed in them")
	warn(s.Sealed, "%d SMB messages were encrypted: what they hold is unknown")
	warn(s.Flow.Evicted, "%d SMB connections were no more followed to make room for others")
	warn(s.Messages.NoBuffer+s.RequestsDropped, "%d SMB messages or requests were given up to make room for others")
	warn(s.HostsEvicted, "what was known of %d SMB hosts was forgotten to make room for others")
	return w
}
