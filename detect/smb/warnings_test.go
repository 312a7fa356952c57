package smb_test

import (
	"slices"
	"testing"

	"wormscope/detect/smb"
)

func TestWarnings(t *testing.T) {
	var s smb.Stats
	if w := s.Warnings(); len(w) != 0 {
		t.Errorf("nothing was lost, but: %q", w)
	}
	s.Sealed, s.Flow.Gaps, s.Flow.Evicted, s.Messages.NoBuffer, s.HostsEvicted, s.ChangesLeftOut = 1, 1, 1, 1, 1, 1
	singular := []string{
		"an SMB connection lacks bytes (gaps: 1): checks, exploits and implants may have been missed in it",
		"1 SMB message was encrypted: what it holds is unknown",
		"1 SMB connection was no more followed to make room for others",
		"1 SMB message or request was given up to make room for others",
		"what was known of 1 SMB host was forgotten to make room for others",
		"what SMB servers say of themselves changed too often: 1 change was left out",
	}
	if w := s.Warnings(); !slices.Equal(w, singular) {
		t.Errorf("got %q, want %q", w, singular)
	}
	s.Flow.Evicted, s.HostsEvicted = 0, 0
	s.Sealed, s.Flow.Gaps, s.Messages.NoBuffer, s.RequestsDropped, s.ChangesLeftOut = 4, 2, 1, 2, 5
	want := []string{
		"SMB connections lack bytes (gaps: 2): checks, exploits and implants may have been missed in them",
		"4 SMB messages were encrypted: what they hold is unknown",
		"3 SMB messages or requests were given up to make room for others",
		"what SMB servers say of themselves changed too often: 5 changes were left out",
	}
	if w := s.Warnings(); !slices.Equal(w, want) {
		t.Errorf("got %q, want %q", w, want)
	}
}
