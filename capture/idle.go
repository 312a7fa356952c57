package capture

import "errors"

// ErrIdle is what the Next of a live source returns when nothing came for a
// while. It is no failure: the source may be asked again at once.
var ErrIdle = errors.New("nothing came for a while")
