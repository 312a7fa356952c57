// Package libpcap captures from interfaces through libpcap, on any system that
// has it, and takes filters in tcpdump's syntax (pcap-filter(7)). It needs cgo
// and is part of the build only with -tags libpcap. On Linux package ring is
// cheaper.
package libpcap
