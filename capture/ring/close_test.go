//go:build linux

package ring

import (
	"testing"

	"wormscope/internal/testnet"
)

// TestClosesTogether: a ring that takes long to close does not keep others waiting. Of
// twenty interfaces with four rings each, all closed in turn take more than ten seconds.
func TestClosesTogether(t *testing.T) {
	s := &Source{options: Options{}, all: &Reader{}, wake: -1}
	for range 2 * closers {
		s.rings = append(s.rings, &ring{options: &s.options, iface: &iface{}, fd: -1, program: -1})
	}
	slow := s.rings[0]
	slow.mu.Lock()
	failed := make(chan error)
	go func() { failed <- s.Close() }()
	testnet.Until(t, "all others are closed", func() bool {
		for _, r := range s.rings[1:] {
			r.mu.Lock()
			ended := r.ended
			r.mu.Unlock()
			if !ended {
				return false
			}
		}
		return true
	})
	slow.mu.Unlock()
	if err := <-failed; err != nil || !slow.ended {
		t.Errorf("%v, the last one is closed: %v", err, slow.ended)
	}
}
