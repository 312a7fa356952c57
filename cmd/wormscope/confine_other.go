//go:build !linux

package main

import "errors"

// confine gives up rights that are no longer needed, which is possible on Linux only.
func confine(s *settings) error {
	if s.Live.NoSandbox && s.Live.User == "" {
		return nil
	}
	return errors.New("live can't give its rights away on this system: run it as a user of its own with --no-sandbox")
}
