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
	TypeSVCB  Type = 64
	TypeHTTPS Type = 65
	TypeIXFR  Type = 251
	TypeAXFR  Type = 252
)

// String returns the mnemonic of the types in common use, and TYPE and the
// number for the others (RFC 3597, chapter 5).
func (t Type) String() string {
	names := [...]string{
		TypeA: "A", 2: "NS", TypeCNAME: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT",
		TypeAAAA: "AAAA", 33: "SRV", 35: "NAPTR", TypeDNAME: "DNAME", TypeOPT: "OPT", 43: "DS", 48: "DNSKEY",
		TypeSVCB: "SVCB", TypeHTTPS: "HTTPS", TypeIXFR: "IXFR", TypeAXFR: "AXFR", 255: "ANY",
	}
	if int(t) < len(names) && names[t] != "" {
		return names[t]
	}
	return "TYPE" + strconv.Itoa(int(t))
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
