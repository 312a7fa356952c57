package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"
)

// TestHeapInHugePages asks for huge pages, and sees whether the kernel marks what
// is allocated then as to be in such, where it has any. It does so in a process of
// its own, as the program does at its start: in this one other tests may have left
// room in the heap, where the allocation would go first.
func TestHeapInHugePages(t *testing.T) {
	const fresh = "WORMSCOPE_TEST_FRESH_HEAP"
	if os.Getenv(fresh) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestHeapInHugePages$", "-test.v")
		cmd.Env = append(os.Environ(), fresh+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("in a process of its own: %v\n%s", err, out)
		}
		return
	}
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage")
	want := !errors.Is(err, fs.ErrNotExist)
	askForHugePages()
	table := make([]byte, hugeHeap/2) // which begins in what little is free before
	if got := wantsHugePages(t, &table[len(table)/2]); got != want {
		t.Errorf("marked for huge pages: %v, want %v", got, want)
	}
}

// wantsHugePages reports whether the kernel was asked for huge pages where b is:
// the flag hg of the mapping (proc(5), /proc/pid/smaps).
func wantsHugePages(t *testing.T, b *byte) bool {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	var begin, end uintptr
	at := uintptr(unsafe.Pointer(b))
	for line := range strings.Lines(string(maps)) {
		if n, _ := fmt.Sscanf(line, "%x-%x ", &begin, &end); n == 2 {
			continue
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && begin <= at && at < end {
			return strings.Contains(flags+" ", " hg ")
		}
	}
	t.Fatalf("no mapping has the address %#x", at)
	return false
}
