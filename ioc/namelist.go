package ioc

import (
	"bytes"
	"slices"
)

// isNameList reports whether a zone is a list that is asked about other names,
// as in "name.multi.surbl.org" (RFC 5782): mail gateways and virus scanners ask
// so about each name in a mail. It is not what a resolver appends.
func isNameList(zone []byte) bool {
	kinds := [...]string{"surbl", "uribl", "rhsbl", "dnsbl", "dnswl"}
	for _, kind := range kinds {
		if bytes.Contains(zone, []byte(kind)) {
			return true
		}
	}
	// The zones of those whose names do not say so.
	lists := [...]string{
		"abusix.zone", "barracudacentral.org", "invaluement.com", "junkemailfilter.com", "mailspike.net", "nordspam.com",
		"rfc-clueless.org", "scientificspam.net", "senderbase.org", "sophosxl.net", "spameatingmonkey.net",
		"spamhaus.net", "spamhaus.org", "support-intelligence.net",
	}
	for from := 0; from < len(zone); {
		end := labelEnd(zone, from)
		switch string(zone[from:end]) {
		case "rbl", "dbl":
			return true
		}
		if slices.Contains(lists[:], string(zone[from:])) {
			return true
		}
		from = end + 1
	}
	return false
}
