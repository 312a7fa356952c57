// Package doctor says whether an interface is fit to capture from, and whether
// it shows what a sensor should see: without such a check, a mirror port that is
// only half set up looks like a quiet network. docs/doctor.md goes through what it
// finds.
//
// Link is about the interface itself, Traffic about some seconds of what comes
// from it, and Clock about time stamps. Each returns Findings, which make up a
// Report.
package doctor

import (
	"fmt"
	"io"

	"wormscope/internal/plural"
)

// Status is the verdict of a Finding.
type Status string

// The states of a Finding.
const (
	OK      Status = "ok"
	Warning Status = "warning" // something weakens what a sensor can say
	Unknown Status = "unknown" // could not be found out, or there was too little traffic
)

// A Finding is what one check found.
type Finding struct {
	Check  string            `json:"check"` // its name, which stays the same
	Status Status            `json:"status"`
	Text   string            `json:"text"`             // what was found
	Do     string            `json:"do,omitempty"`     // what to do about it, if anything
	Counts map[string]uint64 `json:"counts,omitempty"` // the figures that the verdict rests on
}

// A Report is what was found of an interface.
type Report struct {
	Version   int       `json:"version"` // of this format: 1
	Interface string    `json:"interface"`
	Seconds   float64   `json:"seconds"` // of listening
	Findings  []Finding `json:"findings"`
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s, %.0f s of traffic\n\n", r.Interface, r.Seconds); err != nil {
		return err
	}
	warnings := 0
	for _, f := range r.Findings {
		if f.Status == Warning {
			warnings++
		}
		if _, err := fmt.Fprintf(w, "%-8s %-12s %s\n", f.Status, f.Check, f.Text); err != nil {
			return err
		}
		if f.Do == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-8s %-12s → %s\n", "", "", f.Do); err != nil {
			return err
		}
	}
	end := "\nNothing to do.\n"
	if warnings > 0 {
		end = fmt.Sprintf("\n%d of %d checks %s attention.\n", warnings, len(r.Findings), plural.Word(warnings, "needs", "need"))
	}
	_, err := io.WriteString(w, end)
	return err
}

// share returns part of whole in per cent.
func share(part, whole uint64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }
