//go:build linux

package ring

import "golang.org/x/sys/unix"

// Spares is how often an interface can be recreated under several rings.
const Spares = spares

// Bound reports whether all sockets get frames from an interface that is there.
func Bound(s *Source) bool {
	for _, r := range s.rings {
		r.mu.Lock()
		name, err := unix.Getsockname(r.fd)
		r.mu.Unlock()
		a, ok := name.(*unix.SockaddrLinklayer)
		if err != nil || !ok || a.Ifindex <= 0 {
			return false
		}
		if d, err := lookUp(r.fd, r.iface.name); err != nil || int(d.index) != a.Ifindex {
			return false
		}
	}
	return true
}
