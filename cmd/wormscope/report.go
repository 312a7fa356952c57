package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/scope/report"
	"wormscope/scope/store"
)

func newReport(std streams) *cobra.Command {
	var flags flagValues
	cmd := &cobra.Command{
		Use:   "report --state DIR [flags]",
		Short: "Say what a state folder knows",
		Long: `Report prints the scope of everything that was replayed with --state DIR, as
replay does. It can be run while a replay adds to the folder.`,
		Example: `  wormscope report --state incident
  wormscope report --state incident --scope scope.json --report incident.html`,
		Args: noFurther,
		RunE: func(_ *cobra.Command, _ []string) error {
			s, err := flags.settings()
			if err != nil {
				return err
			}
			return reportState(&s, std)
		},
	}
	flags.addStateFlags(cmd)
	flags.addDocumentFlags(cmd)
	return cmd
}

// noFurther refuses arguments to a command that takes flags only.
func noFurther(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q (see %s --help)", args[0], cmd.CommandPath())
	}
	return nil
}

// reportState writes the scope of a state folder.
func reportState(s *settings, std streams) (err error) {
	db, zones, err := attachState(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ledger, about, err := storedLedger(db, zones)
	if err != nil {
		return err
	}
	return conclude(s, ledger, about, std)
}

// attachState opens the state folder that the settings name, beside a run that
// may be adding to it, and tells inside from outside as the folder remembers
// unless the settings say otherwise.
func attachState(s *settings) (*store.Store, *zone.Map, error) {
	if s.State == "" {
		return nil, nil, usagef("--state DIR is missing: which state folder?")
	}
	db, err := store.Attach(s.State)
	if err != nil {
		return nil, nil, err
	}
	err = s.recall(db)
	var zones *zone.Map
	if err == nil {
		zones, err = zone.New(s.Internal, s.Zones)
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, zones, nil
}

// conclude writes the scope: as text, and as a document and a report if that is
// asked for. Warnings that marks give are told whatever is written.
func conclude(s *settings, ledger *scope.Ledger, about scope.Capture, std streams) error {
	var doc scope.Document
	switch {
	case s.Scope != "" || s.Report != "":
		doc = ledger.Document(about)
	case s.stdoutTaken() && s.State == "":
		return nil // nobody wants it, and without a state folder there are no marks
	default:
		doc = ledger.Digest(about)
	}
	for i := range doc.Marks {
		if w := doc.Marks[i].Warning; w != "" {
			std.report("warning: %s", w)
		}
	}
	if err := writeDocument(s, &doc, std.out); err != nil {
		return err
	}
	if s.stdoutTaken() {
		return nil
	}
	return scope.WriteText(std.out, &doc)
}

// writeDocument writes the scope document and the report, if they are asked for.
func writeDocument(s *settings, doc *scope.Document, stdout io.Writer) error {
	if s.Scope != "" {
		if err := writeWhole("scope", s.Scope, stdout, doc.WriteJSON); err != nil {
			return err
		}
	}
	if s.Report == "" {
		return nil
	}
	return writeWhole("report", s.Report, stdout, func(w io.Writer) error {
		return report.Write(w, doc, report.Options{Version: version()})
	})
}
