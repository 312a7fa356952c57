package kernelfilter_test

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// need skips the test where no program can be loaded. Where CI is set it fails
// instead.
func need(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root, to load a program into the kernel")
	}
	t.Skip("needs root, to load a program into the kernel")
}

// A runner lets the kernel run a program over frames, without a network.
type runner struct {
	t       testing.TB
	program *ebpf.Program
	buffer  []byte
}

// maxFrame is how much of a frame is given to the kernel, which takes at most
// a page. The filter reads headers only, and no length from beside the frame.
const maxFrame = 2048

func newRunner(t testing.TB, fd int) *runner {
	t.Helper()
	p, err := ebpf.NewProgramFromFD(duplicate(t, fd))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	// The kernel takes the first 14 bytes for an Ethernet header and hides
	// them from a socket filter: put one in front, of a type for experiments.
	return &runner{t: t, program: p, buffer: append(make([]byte, 12), 0x88, 0xb5)}
}

// keeps reports whether the filter keeps a frame.
func (r *runner) keeps(frame []byte) bool {
	r.buffer = append(r.buffer[:14], frame[:min(len(frame), maxFrame)]...)
	verdict, err := r.program.Run(&ebpf.RunOptions{Data: r.buffer})
	if err != nil {
		r.t.Fatal(err)
	}
	switch verdict {
	case 0:
		return false
	case 1<<32 - 1:
		return true
	}
	r.t.Fatalf("a frame would be cut to %d bytes", verdict)
	return false
}

func duplicate(t testing.TB, fd int) int {
	t.Helper()
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return other
}
