package testnet

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports come in blocks from below the range that systems give to outgoing
// connections and to whoever asks for any port, so that nobody takes one before
// its server does, or while that is down. A lock on a file tells other test
// processes that a block is taken; it ends with the process.
const (
	firstPort  = 20000
	blockPorts = 20
	portBlocks = 600
)

// FreePorts returns so many ports of 127.0.0.1, at most blockPorts, that are
// free, over TCP and over UDP, and stay so until the test ends.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	if n > blockPorts {
		t.Fatalf("%d ports are more than one block", n)
	}
	dir := filepath.Join(os.TempDir(), "wormscope-test-ports")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for try := range portBlocks {
		block := (os.Getpid() + try) % portBlocks
		lock, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(block)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		ports := make([]int, 0, n)
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			for p := firstPort + block*blockPorts; len(ports) < n && free(p); p++ {
				ports = append(ports, p)
			}
		}
		if len(ports) == n {
			t.Cleanup(func() { _ = lock.Close() }) // gives the block back
			return ports
		}
		_ = lock.Close() // nothing was written
	}
	t.Fatal("no free ports")
	return nil
}

// free reports whether nobody has a port of 127.0.0.1.
func free(port int) bool {
	ip := net.IPv4(127, 0, 0, 1)
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip, Port: port})
	if err != nil {
		return false
	}
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip, Port: port})
	if err != nil {
		_ = l.Close() // it is not used
		return false
	}
	return l.Close() == nil && c.Close() == nil
}
