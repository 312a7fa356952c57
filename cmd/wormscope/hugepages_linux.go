package main

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// hugeHeap is how many bytes of the heap are to be in huge pages: what large feeds and
// the tables beside them take. Memory is taken only when it is used. It is not more,
// since what the heap grows by later is accessed less, and huge pages have a price: in
// a virtual machine, one that nobody had for a while may cost 4 ms, forty times as much
// as one that was just given back, and four times as much as the same memory in small
// pages.
const hugeHeap = 64 << 20

// askForHugePages makes the heap grow into huge pages, of 2 MB each, first. Detection
// spends most of its time waiting for memory: some ten megabytes of tables, in which
// each packet looks at other places. In pages of 4 KB these are more than the TLB of a
// processor holds, and in a virtual machine each TLB miss takes up to two dozen memory
// accesses. Many kernels give huge pages only to programs that ask for them
// (/sys/kernel/mm/transparent_hugepage/enabled says madvise), which the Go runtime does
// not do.
//
// So this allocates a block, asks for huge pages there, and frees the block untouched:
// later allocations get its addresses. If the kernel has no huge pages, nothing
// changes.
func askForHugePages() {
	block := make([]byte, hugeHeap)
	if unix.Madvise(block, unix.MADV_HUGEPAGE) == nil {
		debug.FreeOSMemory()
	}
}
