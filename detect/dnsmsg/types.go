package dnsmsg

import "strconv"

// ClassIN is the class of the Internet.
const ClassIN = 1

// Type is the type of a record, or what a question asks for (IANA
// dns-parameters registry).
type Type uint16

// The types that detection looks into.
const (
	TypeA     Type = 1
	TypeCNAME Type = 5
	TypeAAAA  Type = 28
	TypeDNAME Type = 39
	TypeOPT   Type = 41
)

// String returns the mnemonic of the types in common use, and TYPE and the
// number for the others (RFC 3597, chapter 5).
func (t Type) String() string {
	switch t {
	case TypeA:
		return "A"
	case 2:
		return "NS"
	case TypeCNAME:
		return "CNAME"
	case 6:
		return "SOA"
	case 10:
		return "NULL"
	case 12:
		return "PTR"
	case 13:
		return "HINFO"
	case 15:
		return "MX"
	case 16:
		return "TXT"
	case TypeAAAA:
		return "AAAA"
	case 33:
		return "SRV"
	case 35:
		return "NAPTR"
	case TypeDNAME:
		return "DNAME"
	case TypeOPT:
		return "OPT"
	case 43:
		return "DS"
	case 48:
		return "DNSKEY"
	case 64:
		return "SVCB"
	case 65:
		return "HTTPS"
	case 252:
		return "AXFR"
	case 255:
		return "ANY"
	default:
		return "TYPE" + strconv.Itoa(int(t))
	}
}

// RCode is a response code (RFC 1035, chapter 4.1.1; RFC 6895).
type RCode uint8

// The response codes that detection tells apart.
const (
	NoError  RCode = 0
	NXDomain RCode = 3
)

// String returns the registry's name of a response code, and RCODE and the
// number for one that has none.
func (r RCode) String() string {
	names := [...]string{
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
		"YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "RCODE" + strconv.Itoa(int(r))
}
