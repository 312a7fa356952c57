package main

// keptPorts returns the ports of which detectors read every segment and
// datagram: DNS (detect/dns), and SMB (detect/smb, detect/exposure).
func keptPorts() []uint16 { return []uint16{53, 139, 445} }
