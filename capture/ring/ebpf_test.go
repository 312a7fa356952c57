//go:build linux

package ring_test

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"wormscope/internal/needs"
)

// dropAll loads the socket filter "return 0" (bpf(2), include/uapi/linux/bpf.h).
func dropAll(t *testing.T) (fd int) {
	t.Helper()
	code := []uint64{0x00000000_000000b7, 0x95} // r0 = 0; exit
	license := []byte("GPL\x00")
	attr := struct {
		kind, count   uint32
		code, license uint64
		_             [96]byte
	}{unix.BPF_PROG_TYPE_SOCKET_FILTER, uint32(len(code)), address(&code[0]), address(&license[0]), [96]byte{}}
	n, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if errno != 0 {
		needs.GiveUp(t)("can't load an eBPF program: %v", errno)
	}
	t.Cleanup(func() {
		if err := unix.Close(int(n)); err != nil {
			t.Error(err)
		}
	})
	return int(n)
}

func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

func readAll(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
