package capture

import "errors"

// ErrIdle is what Next of a live source returns when no frame came for a while.
// It is not a failure: Next may be called again at once.
var ErrIdle = errors.New("nothing came for a while")
