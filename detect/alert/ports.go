package alert

// The ports of SMB: over TCP directly (MS-SMB2 2.1), and over NetBIOS sessions
// (RFC 1002).
const (
	PortSMB     = 445
	PortNetBIOS = 139
)

// IsSMB reports whether a TCP port is one of SMB's.
func IsSMB(port uint16) bool { return port == PortSMB || port == PortNetBIOS }

// LateralPorts returns the ports that are lateral where the configuration names
// no others: those over which worms and intruders go from host to host. They are
// SMB, RPC, RDP, WinRM, SSH and Telnet, SMB first.
func LateralPorts() []uint16 {
	return []uint16{PortSMB, PortNetBIOS, 135, 3389, 5985, 5986, 22, 23}
}
