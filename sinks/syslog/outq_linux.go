package syslog

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// unacknowledged is how many bytes of what was written the kernel of the other
// side has not acknowledged yet (tcp(7), SIOCOUTQ).
func unacknowledged(c *net.TCPConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var failed error
	err = raw.Control(func(fd uintptr) { n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, fmt.Errorf("ioctl SIOCOUTQ: %w", err)
	}
	return n, nil
}
