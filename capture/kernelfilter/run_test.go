package kernelfilter_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"wormscope/capture/kernelfilter"
)

// A runner asks a filter about frames.
type runner struct {
	t      testing.TB
	filter *kernelfilter.Filter
}

// keeps reports whether the filter keeps a frame, or a part of it.
func (r *runner) keeps(frame []byte) bool { return r.kept(frame) > 0 }

// kept returns how many bytes of a frame the filter keeps.
func (r *runner) kept(frame []byte) int {
	n, err := r.filter.Keeps(frame)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func duplicate(t testing.TB, fd int) int {
	t.Helper()
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return other
}
