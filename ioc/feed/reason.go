package feed

import "strings"

// A Reason says why an entry was not used.
type Reason string

// Reasons for good indicators of kinds that are not seen in packets.
const (
	reasonPath Reason = "a path without a host"
	reasonHash Reason = "a file hash"
	reasonMail Reason = "an e-mail address"
	// reasonShared is for URLs of pages: most traffic with such a host is harmless.
	reasonShared Reason = "a URL of a host that many share"
	// unwatchedType begins the reason for a type that the feed states.
	unwatchedType = "not watched: type "
)

// Reasons for what is not an indicator, or no sensible one.
const (
	reasonAllowed      Reason = "allow-listed"
	reasonEmpty        Reason = "no indicator in the line"
	reasonLong         Reason = "longer than 64 KiB"
	reasonOther        Reason = "other reasons"
	reasonException    Reason = "an exception rule"
	reasonCosmetic     Reason = "a rule that changes pages, and blocks nothing"
	reasonUndetected   Reason = "marked as not for detection"
	reasonDeleted      Reason = "deleted"
	reasonRevoked      Reason = "revoked"
	reasonObserved     Reason = "an observation, which may be harmless: indicators only are used"
	reasonPattern      Reason = "a pattern with a mistake"
	reasonComplex      Reason = "a pattern for more than one address, name or URL at a time"
	reasonJSON         Reason = "not valid JSON"
	reasonRecord       Reason = "not a valid record of a zone"
	reasonHarmless     Reason = "a rule that keeps nobody from a name"
	reasonColumns      Reason = "fewer columns than the header"
	reasonSecond       Reason = "a second entry in the line: write one a line"
	reasonQuote        Reason = "a quote that is not closed"
	reasonPort         Reason = "not a port from 1 to 65535"
	reasonAddress      Reason = "not a valid address"
	reasonAddressRange Reason = "a range of addresses: write it as a network"
	reasonNetwork      Reason = "not a valid network"
	reasonWide         Reason = "a network wider than /8 (IPv4) or /19 (IPv6)"
	reasonZone         Reason = "an address with a zone"
	reasonOnePort      Reason = "with a port: what is allowed is so on all ports"
	reasonURL          Reason = "a URL: paths are not seen in packets, so name the host"

	reasonUnspecified Reason = "unspecified address"
	reasonLoopback    Reason = "loopback address"
	reasonPrivate     Reason = "private address"
	reasonLinkLocal   Reason = "link-local address"
	reasonMulticast   Reason = "multicast address"
	reasonReserved    Reason = "reserved address"

	reasonCharacter Reason = "a character that no name has"
	reasonNoDot     Reason = "a name without a dot"
	reasonLabel     Reason = "a name with a label that is empty or longer than 63 bytes"
	reasonNameLong  Reason = "a name longer than 253 bytes"
	reasonNumeric   Reason = "neither a name nor a valid address"
	reasonIDNA      Reason = "not a valid internationalised name"
	reasonSuffix    Reason = "a public suffix: it would match everybody's names"
)

// unwatched reports whether an entry is a good indicator of a kind that is
// not seen in packets.
func (r Reason) unwatched() bool {
	return r == reasonPath || r == reasonHash || r == reasonMail || r == reasonShared || strings.HasPrefix(string(r), unwatchedType)
}

// meant reports whether the feed itself says that an entry is not to be used.
func (r Reason) meant() bool {
	return r == reasonUndetected || r == reasonDeleted || r == reasonRevoked
}

// special reports whether an entry is an address or network, but of a block that is
// refused.
func (r Reason) special() bool {
	switch r {
	case reasonWide, reasonUnspecified, reasonLoopback, reasonPrivate, reasonLinkLocal, reasonMulticast, reasonReserved:
		return true
	default:
		return false
	}
}
