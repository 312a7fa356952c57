package main

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// hugeHeap is how many bytes of the heap are to be in huge pages: what large feeds
// and the tables beside them take. None is taken before it is used. Not more: what
// the heap grows by later is looked at less, and in a virtual machine a huge page
// that nobody had for a while may cost 4 ms, forty times one that was just given
// back, and four times as much as the same in small ones.
const hugeHeap = 64 << 20

// askForHugePages has the heap grow into huge pages, of 2 MB each, before it takes
// others. Detection mostly waits for memory, for some ten megabytes of tables that
// each packet asks at another place: those are more pages of 4 KB than a processor
// knows the addresses of, and in a virtual machine each address that it does not
// know takes up to two dozen accesses. Many kernels give huge pages only to who
// asks (/sys/kernel/mm/transparent_hugepage/enabled says madvise), which the Go
// runtime does not do.
//
// So a block is taken, asked for, and given back untouched: what is allocated from
// now on lies where it was. Where the kernel has no huge pages, nothing changes.
func askForHugePages() {
	block := make([]byte, hugeHeap)
	if unix.Madvise(block, unix.MADV_HUGEPAGE) == nil {
		debug.FreeOSMemory()
	}
}
