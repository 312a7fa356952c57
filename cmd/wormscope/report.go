package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/scope/report"
	"wormscope/scope/store"
)

func newReport(std streams) *cobra.Command {
	var flags flagValues
	var central centralFlags
	cmd := &cobra.Command{
		Use:   "report --state DIR|--kafka BROKERS [flags]",
		Short: "Say what a state folder, or the joint ledger of several sensors, knows",
		Long: `Report prints the scope of everything that was replayed or watched with --state
DIR, as replay does. It can be run while something is added to the folder. With
--kafka it prints the joint scope of several sensors, which wormscope scope keeps.`,
		Example: `  wormscope report --state incident
  wormscope report --state incident --scope scope.json --report incident.html`,
		Args: noFurther,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.settings()
			if err != nil {
				return err
			}
			if flags.state != "" && central.brokers != "" {
				return usagef("--state and --kafka can't both be where the ledger is")
			}
			if central.override(&s.Central); len(s.Central.Brokers) > 0 && flags.state == "" {
				if err := central.check(&s); err != nil {
					return err
				}
				return reportJoint(cmd.Context(), &s, std)
			}
			return reportState(&s, std)
		},
	}
	flags.addStateFlags(cmd)
	central.add(cmd)
	flags.addDocumentFlags(cmd)
	return cmd
}

// noFurther refuses arguments to a command that takes flags only.
func noFurther(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if info, err := os.Stat(args[0]); err == nil && info.IsDir() && cmd.Flags().Lookup("state") != nil {
		meant = ": did you mean --state " + args[0] + "?"
	}
	return usagef("unexpected argument %q%s (see %s --help)", args[0], meant, cmd.CommandPath())
}

// reportState writes the scope of a state folder.
func reportState(s *settings, std streams) (err error) {
	if s.State == "" {
		return usagef("--state DIR or --kafka BROKERS is missing: where is the ledger?")
	}
	db, zones, err := attachState(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ledger, about, err := storedLedger(db, s, zones)
	if err != nil {
		return err
	}
	return conclude(s, ledger, about, std)
}

// reportJoint writes the scope of the joint ledger of several sensors.
func reportJoint(ctx context.Context, s *settings, std streams) error {
	ledger, _, about, err := jointLedger(ctx, s, std)
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
	if err := checkStateLinks(s.State); err != nil {
		return nil, nil, err
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
	return orUnread(scope.WriteText(std.out, &doc))
}

// writeDocument writes the scope document and the report, if they are asked for.
func writeDocument(s *settings, doc *scope.Document, stdout io.Writer) error {
	var failed []error
	if s.Scope != "" {
		failed = append(failed, writeWhole("scope", s.Scope, stdout, doc.WriteJSON))
	}
	if s.Report != "" {
		failed = append(failed, writeWhole("report", s.Report, stdout, func(w io.Writer) error {
			return report.Write(w, doc, report.Options{Version: version()})
		}))
	}
	return errors.Join(failed...)
}
