package testnet

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A Pair is a cable in a namespace of its own: what is sent into its end Left
// comes out of Right, and nobody else says anything.
type Pair struct{ host *Host }

// The ends of a Pair.
const (
	Left  = "left"
	Right = "right"
)

// NewPair makes a cable that takes what is larger than its MTU, as a card with
// offloads does. It is gone when the test ends.
func NewPair(t testing.TB) *Pair {
	t.Helper()
	Need(t)
	n := newNet(t)
	n.namespace("cable")
	p := &Pair{&Host{n, "cable"}}
	p.Connect()
	return p
}

// Connect makes the cable, which there is from the start, anew.
func (p *Pair) Connect() {
	p.host.net.t.Helper()
	p.IP("link", "add", Left, "type", "veth", "peer", "name", Right)
	p.Up(Left, Right)
}

// ConnectAs makes the cable anew, with a number that Right has from then on.
func (p *Pair) ConnectAs(number int) {
	p.host.net.t.Helper()
	p.IP("link", "add", Right, "index", strconv.Itoa(number), "type", "veth", "peer", "name", Left)
	p.Up(Left, Right)
}

// Up sets the two ends of a cable up, one of which may be up, and waits until frames
// go through: what is sent before the kernel has noticed is lost.
func (p *Pair) Up(ends ...string) {
	p.host.net.t.Helper()
	for _, end := range ends {
		p.IP("link", "set", end, "up")
	}
	for _, end := range ends {
		p.host.awaitRunning(end)
	}
}

// IP runs ip in the namespace.
func (p *Pair) IP(args ...string) {
	p.host.net.t.Helper()
	p.host.net.ip("cable", args...)
}

// Run runs a command in the namespace to its end and returns what it wrote.
func (p *Pair) Run(name string, args ...string) string {
	p.host.net.t.Helper()
	return p.host.Run(Patience, name, args...)
}

// Inside calls f in the namespace, in which the sockets then are that it makes.
func (p *Pair) Inside(f func() error) error { return p.host.inside(f) }

// Count returns what the kernel counts of an interface, such as rx_packets.
func (p *Pair) Count(iface, what string) int {
	p.host.net.t.Helper()
	text := p.Run("cat", "/sys/class/net/"+iface+"/statistics/"+what)
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		p.host.net.t.Fatal(err)
	}
	return n
}

// A Sender puts frames into an end of a Pair.
type Sender struct {
	t  testing.TB
	fd int
}

// Sender returns a sender into an interface of the namespace.
func (p *Pair) Sender(iface string) *Sender {
	t := p.host.net.t
	t.Helper()
	s := &Sender{t: t, fd: -1}
	err := p.Inside(func() (err error) {
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		ifr, err := unix.NewIfreq(iface)
		if err != nil {
			return err
		}
		if err := unix.IoctlIfreq(s.fd, unix.SIOCGIFINDEX, ifr); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: int(ifr.Uint32())})
	})
	if err != nil {
		t.Fatal(fmt.Errorf("send into %s: %w", iface, err))
	}
	s.closeLater()
	return s
}

func (s *Sender) closeLater() {
	s.t.Cleanup(func() {
		if err := unix.Close(s.fd); err != nil {
			s.t.Error(err)
		}
	})
}

// Send sends frames as they are.
func (s *Sender) Send(frames ...[]byte) {
	s.t.Helper()
	for _, f := range frames {
		if _, err := unix.Write(s.fd, f); err != nil {
			s.t.Fatalf("send %d bytes: %v", len(f), err)
		}
	}
}

// SendSegment sends one TCP segment in IPv4 in Ethernet, larger than the MTU,
// which the kernel believes the card will cut into pieces of size bytes of
// payload (struct virtio_net_hdr, include/uapi/linux/virtio_net.h).
func (s *Sender) SendSegment(frame []byte, size int) {
	s.t.Helper()
	const needsChecksum, tcp4 = 1, 1
	const headers, checksum = 14 + 20 + 20, 16
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		s.t.Fatal(os.NewSyscallError("PACKET_VNET_HDR", err))
	}
	h := []byte{needsChecksum, tcp4}
	h = binary.NativeEndian.AppendUint16(h, headers)
	h = binary.NativeEndian.AppendUint16(h, uint16(size)) //nolint:gosec // of a test
	h = binary.NativeEndian.AppendUint16(h, headers-20)
	h = binary.NativeEndian.AppendUint16(h, checksum)
	s.Send(append(h, frame...))
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 0); err != nil {
		s.t.Fatal(os.NewSyscallError("PACKET_VNET_HDR", err))
	}
}

// Tun makes an interface without Ethernet, and returns what lets packets come
// out of it. hardware is its kind, ARPHRD_*, 0 for none.
func (p *Pair) Tun(iface string, hardware int) *Sender {
	t := p.host.net.t
	t.Helper()
	s := &Sender{t: t, fd: -1}
	err := p.Inside(func() (err error) {
		if s.fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		ifr, err := unix.NewIfreq(iface)
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(s.fd, unix.TUNSETIFF, ifr); err != nil || hardware == 0 {
			return err
		}
		return unix.IoctlSetInt(s.fd, unix.TUNSETLINK, hardware)
	})
	if err != nil {
		t.Fatal(fmt.Errorf("make %s: %w", iface, err))
	}
	s.closeLater()
	p.IP("link", "set", iface, "up")
	return s
}

// Start starts a program in the namespace, as Host.Start does.
func (p *Pair) Start(ready, name string, args ...string) *Process {
	p.host.net.t.Helper()
	return p.host.Start(ready, name, args...)
}
