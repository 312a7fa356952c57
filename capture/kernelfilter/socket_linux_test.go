package kernelfilter_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormscope/internal/testnet"
)

// TestOnSocket attaches the filter to a packet socket and sends frames over a
// real link, where the kernel takes the outermost VLAN tag out of the frame.
func TestOnSocket(t *testing.T) {
	testnet.Need(t)
	f := load(t, "198.51.100.7")
	err := testnet.OnThread(func() error { // the namespace is gone with the thread
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		overLink(t, f.FD())
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// overLink sends frames from one end of a link to the other.
func overLink(t *testing.T, fd int) {
	t.Helper()
	for _, args := range [][]string{
		{"link", "add", "near", "type", "veth", "peer", "name", "far"},
		{"link", "set", "near", "up"},
		{"link", "set", "far", "up"},
	} {
		if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
			t.Errorf("ip %v: %v: %s", args, err, out)
			return
		}
	}
	for _, name := range []string{"near", "far"} {
		if err := running(name); err != nil {
			t.Error(err)
			return
		}
	}
	near, far := packetSocket(t, "near", -1), packetSocket(t, "far", fd)
	if near < 0 || far < 0 {
		return
	}
	plain := func(port uint16) []byte { return packetOf(ip(a4, b4, 17, udp(4000, port))) }
	hidden := packetOf(ip(a4, "198.51.100.7", 17, udp(4000, 4002)))
	last := packetOf(ip(a4, b4, 17, udp(4000, 53)))
	sent := [][]byte{
		plain(4001), hidden, tagged(0x8100, plain(4001)), tagged(0x8100, hidden), tagged(0x8100, tagged(0x8100, hidden)),
		tagged(0x88a8, tagged(0x8100, plain(4001))), tagged(0x88a8, tagged(0x8100, hidden)), tagged(0x9100, hidden), last,
	}
	// The outermost tag of the standard types is no longer in the frame.
	want := [][]byte{hidden, hidden, tagged(0x8100, hidden), tagged(0x8100, hidden), tagged(0x9100, hidden), last}
	for _, frame := range sent {
		if _, err := unix.Write(near, frame); err != nil {
			t.Error(err)
			return
		}
	}
	var got [][]byte
	for len(got) == 0 || !slices.Equal(got[len(got)-1], last) {
		b := make([]byte, 2048)
		n, err := unix.Read(far, b)
		if err != nil {
			t.Errorf("after %d frames: %v", len(got), err)
			return
		}
		if kind := binary.BigEndian.Uint16(b[12:]); kind != 0x86dd { // what the kernel itself sends there
			got = append(got, b[:n])
		}
	}
	if !slices.EqualFunc(got, want, slices.Equal[[]byte]) {
		t.Errorf("the socket got %d frames:\n%x\nwant %d:\n%x", len(got), got, len(want), want)
	}
}

// running waits until the kernel has noticed that a link is up: what is sent
// before that is lost.
func running(name string) error {
	const tries = 6000 // a minute
	for range tries {
		ifi, err := net.InterfaceByName(name)
		if err != nil || ifi.Flags&net.FlagRunning != 0 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s does not come up", name)
}

// packetSocket opens a packet socket on an interface, with a filter unless fd
// is negative.
func packetSocket(t *testing.T, name string, fd int) int {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return -1
	}
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Error(err)
		return -1
	}
	t.Cleanup(func() { unix.Close(s) })
	if fd >= 0 {
		if err := unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, fd); err != nil {
			t.Error(err)
		}
	}
	const patience = 60 // seconds, until a frame counts as lost
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: patience}); err != nil {
		t.Error(err)
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(s, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifi.Index}); err != nil {
		t.Error(err)
	}
	return s
}
