//go:build linux

package ring

import (
	"testing"

	"golang.org/x/sys/unix"

	"wormscope/internal/testnet"
)

// TestFirstGroup has two rings of an interface in one fanout group, though its id
// is 0: the kernel gives that to the first one since it was started. In groups of
// their own each ring would get every frame.
func TestFirstGroup(t *testing.T) {
	p := testnet.NewPair(t)
	o, err := Options{Interfaces: []string{testnet.Right}, Fanout: 2}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	groups := make([]int, o.Fanout)
	err = p.Inside(func() error {
		f := &iface{name: testnet.Right, group: 0}
		for n := range groups {
			fd, failed := newSocket(unix.SOCK_RAW)
			if failed != nil {
				return failed
			}
			t.Cleanup(func() { _ = closeFD(fd) })
			d, failed := lookUp(fd, f.name)
			if failed != nil {
				return failed
			}
			f.of = d.index // the group is that of this device already
			r := &ring{options: &o, iface: f, fd: fd, group: noGroup}
			if failed = r.start(d); failed != nil {
				return failed
			}
			if groups[n], failed = unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT); failed != nil {
				return failed
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if groups[0]&0xffff != 0 || groups[1] != groups[0] {
		t.Errorf("groups %#x", groups)
	}
}
