//go:build amd64 || arm64

package prefetch

import "unsafe"

//go:noescape
func line(p unsafe.Pointer)

//go:noescape
func two(p, q unsafe.Pointer)

//go:noescape
func four(p, q, r, s unsafe.Pointer)

//go:noescape
func stream(p unsafe.Pointer, lines int)
