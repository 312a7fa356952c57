package main

import (
	"golang.org/x/sys/unix"
)

// allEthernet reports whether frames of all interfaces begin with an Ethernet
// header, as far as is known.
func allEthernet(names []string) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd) //nolint:errcheck // only asked with
	for _, name := range names {
		var ifr *unix.Ifreq
		if ifr, err = unix.NewIfreq(name); err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr) != nil {
			return false
		}
		if kind := ifr.Uint16(); kind != unix.ARPHRD_ETHER && kind != unix.ARPHRD_LOOPBACK {
			return false
		}
	}
	return true
}
