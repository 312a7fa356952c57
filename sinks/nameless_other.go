//go:build !unix

package sinks

import "os"

// nameless reports whether a file has no name any more, which a file that is open keeps
// here.
func nameless(*os.File) bool { return false }
