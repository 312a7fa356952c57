// Package prefetch asks the processor to fetch memory that is going to be needed, and
// not to wait for it. To read it early would make it wait nearly as long: a processor
// runs ahead of a read that misses its caches by some hundred instructions only.
package prefetch

import "unsafe"

// Line fetches the cache line that p points to. It is a hint, without any effect that
// a program can see: p may be nil.
func Line[T any](p *T) { line(unsafe.Pointer(p)) } //nolint:gosec // G103: the address is all that is used

// Two fetches two lines, in fewer steps than Line twice.
func Two[T, U any](p *T, q *U) { two(unsafe.Pointer(p), unsafe.Pointer(q)) } //nolint:gosec // "

// Four fetches four lines.
func Four[T, U, V, W any](p *T, q *U, r *V, s *W) {
	four(unsafe.Pointer(p), unsafe.Pointer(q), unsafe.Pointer(r), unsafe.Pointer(s)) //nolint:gosec // "
}

// lineLen is how many bytes of memory are fetched together, on most processors.
const lineLen = 64

// Stream fetches b, of which each byte is going to be read once and soon. What is in
// the farther caches is to stay there, as far as the processor can do that: it keeps
// what is fetched so in the nearest.
func Stream(b []byte) {
	if len(b) > 0 {
		stream(unsafe.Pointer(unsafe.SliceData(b)), (len(b)+lineLen-1)/lineLen) //nolint:gosec // "
	}
}
