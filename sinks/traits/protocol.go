package traits

import (
	"net/netip"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
)

// Transport returns the name of an IP protocol as in ECS, empty where alerts are not
// about it.
func Transport(proto uint8) string {
	switch proto {
	case protoTCP:
		return "tcp"
	case protoUDP:
		return "udp"
	case protoICMP:
		return "icmp"
	case protoICMPv6:
		return "ipv6-icmp"
	case protoSCTP:
		return "sctp"
	default:
		return ""
	}
}

// Protocol returns the application protocol of an alert as in ECS, empty where its
// rule does not know it.
func Protocol(a *alert.Alert) string {
	switch x := a.Evidence.Exposure; {
	case a.Evidence.DNS != nil:
		return "dns"
	case a.Evidence.SMB != nil, x != nil && alert.IsSMB(x.Port):
		return "smb"
	default:
		return ""
	}
}

// Direction returns network.direction of a flow, as in ECS.
func Direction(zones *zone.Map, orig, resp netip.Addr) string {
	switch from, to := zones.Inside(orig), zones.Inside(resp); {
	case from && to:
		return "internal"
	case from:
		return "outbound"
	case to:
		return "inbound"
	default:
		return "external"
	}
}

// Address returns an address as text: without its IPv6 zone, which receivers' address
// types do not take, and IPv4 never mapped into IPv6. It is empty for an invalid one.
func Address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// Addresses writes addresses as Address does, never nil.
func Addresses(list []netip.Addr) []string {
	told := make([]string, 0, len(list))
	for _, a := range list {
		told = append(told, Address(a))
	}
	return told
}

// Known reports whether an end of a flow is one host, rather than many or none.
func Known(ap netip.AddrPort) bool {
	return ap.Addr().IsValid() && !ap.Addr().IsUnspecified()
}
