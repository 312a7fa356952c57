//go:build !linux

package doctor

import "errors"

// Inspect returns an error on this system.
func Inspect(string) (*Link, error) {
	return nil, errors.New("doctor looks at interfaces of Linux only")
}
