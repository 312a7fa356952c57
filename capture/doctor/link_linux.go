package doctor

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"

	"wormscope/capture/ring"
)

// Commands and flags of include/uapi/linux/ethtool.h.
const (
	getRingParam = 0x10
	getTSO       = 0x1e
	getGSO       = 0x23
	getFlags     = 0x25
	getGRO       = 0x2b
	flagLRO      = 1 << 15
)

// Inspect asks the system about an interface. It needs no privilege.
func Inspect(name string) (*Link, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("ask about %s: %w", name, err)
	}
	l, err := inspect(fd, name)
	return l, errors.Join(err, unix.Close(fd))
}

// inspect asks through a socket.
func inspect(fd int, name string) (*Link, error) {
	ifi, err := find(fd, name)
	if err != nil {
		return nil, ring.NoInterface(name)
	}
	l := &Link{
		Name: name, MTU: ifi.MTU, MAC: ifi.HardwareAddr,
		Up: ifi.Flags&net.FlagUp != 0, Carrier: ifi.Flags&net.FlagRunning != 0,
		Loopback: ifi.Flags&net.FlagLoopback != 0,
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of %s: %w", name, err)
	}
	for _, a := range addrs {
		l.Addresses = append(l.Addresses, a.String())
	}
	return l, l.ask(fd)
}

// find finds an interface by its name, or by an alternative one, which package net does
// not know.
func find(fd int, name string) (*net.Interface, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return nil, err
	}
	return net.InterfaceByIndex(int(ifr.Uint32()))
}

// ask asks the driver about offloads and the receive ring. It is not an error if the
// driver does not know.
func (l *Link) ask(fd int) error {
	var err error
	value := func(command uint32) uint32 {
		v := struct{ command, data uint32 }{command: command}
		known, e := l.ethtool(fd, unsafe.Pointer(&v)) //nolint:gosec // read and written by the kernel
		l.Offloads.Known = l.Offloads.Known || known
		err = errors.Join(err, e)
		return v.data
	}
	l.Offloads.GRO = value(getGRO) != 0
	l.Offloads.TSO = value(getTSO) != 0
	l.Offloads.GSO = value(getGSO) != 0
	l.Offloads.LRO = value(getFlags)&flagLRO != 0
	ring := struct{ command, rxMost, rxMiniMost, rxJumboMost, txMost, rx, rxMini, rxJumbo, tx uint32 }{command: getRingParam}
	known, e := l.ethtool(fd, unsafe.Pointer(&ring)) //nolint:gosec // read and written by the kernel
	if known {
		l.RxRing = RingSize{Now: ring.rx, Most: ring.rxMost}
	}
	return errors.Join(err, e)
}

// ethtool has the driver answer one question in place, and reports whether it
// could.
func (l *Link) ethtool(fd int, question unsafe.Pointer) (known bool, err error) {
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], l.Name)
	request.data = question
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))) //nolint:gosec // as the kernel wants it
	switch errno {
	case 0:
		return true, nil
	case unix.EOPNOTSUPP, unix.EINVAL, unix.EPERM:
		return false, nil
	default:
	}
	return false, fmt.Errorf("ask the driver of %s: %w", l.Name, errno)
}
