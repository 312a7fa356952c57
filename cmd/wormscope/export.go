package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wormscope/detect/zone"
	"wormscope/internal/input"
	"wormscope/scope"
	"wormscope/scope/export"
)

// exportFlags are the flags of an export.
type exportFlags struct {
	flagValues
	central   centralFlags
	scopeFile string
	format    string
	minState  string
}

func newExport(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write lists of whom to isolate and what to block",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newExportIsolate(std), newExportBlock(std))
	return cmd
}

// listAlone is what nobody must miss who pipes a list into a packet filter.
const listAlone = `A list for a packet filter drops nothing by itself: rules have to name it, as the
comments at its beginning show.`

func newExportIsolate(std streams) *cobra.Command {
	var flags exportFlags
	cmd := &cobra.Command{
		Use:   "isolate --state DIR|--kafka BROKERS|--scope-file FILE [flags]",
		Short: "List inside hosts that are infected or suspected",
		Long: `Isolate lists inside hosts that are infected or suspected, the worst first. Hosts
that the configuration allows to scan are left out, and that is said on standard
error: what they seem to have done may be another host's doing.

` + listAlone,
		Example: "  wormscope export isolate --state incident --min-state infected --format cisco",
		Args:    noFurther,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.run(cmd.Context(), export.ToIsolate, std)
		},
	}
	flags.add(cmd, export.ToIsolate)
	cmd.Flags().StringVar(&flags.minState, "min-state", "suspected", "list hosts of at least this `STATE`: infected, suspected, targeted or exposed")
	return cmd
}

func newExportBlock(std streams) *cobra.Command {
	var flags exportFlags
	cmd := &cobra.Command{
		Use:   "block --state DIR|--kafka BROKERS|--scope-file FILE [flags]",
		Short: "List outside scanners and the indicators that hosts had to do with",
		Long: `Block lists outside scanners, and the indicator addresses and names that hosts
inside had to do with. Kill switches and where they lead, resolvers, inside
addresses and what the configuration allows are never in it; what was left out
is said on standard error, and in the list where its format has comments.

` + listAlone,
		Example: `  wormscope export block --state incident --format nftables | nft -f -
  wormscope export block --scope-file scope.json --format rpz > db.rpz`,
		Args: noFurther,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd.Context(), export.ToBlock, std) },
	}
	flags.add(cmd, export.ToBlock)
	return cmd
}

// add adds the flags that both lists have.
func (f *exportFlags) add(cmd *cobra.Command, purpose export.Purpose) {
	f.addStateFlags(cmd)
	f.central.add(cmd)
	cmd.Flags().StringVar(&f.scopeFile, "scope-file", "", "make the list of a scope document, `FILE`, rather than of a state folder")
	cmd.Flags().StringVar(&f.format, "format", "csv", "`FORMAT`: "+formats(purpose))
}

// formats names the formats that a list can be written in.
func formats(p export.Purpose) string {
	var names []string
	for _, f := range export.Formats() {
		if f.Check(p) == nil {
			names = append(names, string(f))
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// run makes the list and writes it.
func (f *exportFlags) run(ctx context.Context, purpose export.Purpose, std streams) error {
	format := export.Format(f.format)
	if !slices.Contains(export.Formats(), format) {
		return usagef("--format %q: %s", f.format, formats(purpose))
	}
	if err := format.Check(purpose); err != nil {
		return usagef("export %s --format %s: %v", purpose, format, err)
	}
	least, err := f.least(purpose)
	if err != nil {
		return err
	}
	s, err := f.settings()
	if err != nil {
		return err
	}
	doc, zones, err := f.document(ctx, &s, std)
	if err != nil {
		return err
	}
	var list export.List
	if purpose == export.ToIsolate {
		list = export.Isolate(doc, least)
	} else {
		list, err = block(doc, &s, zones)
	}
	if err != nil {
		return err
	}
	list = list.For(format)
	tellLeftOut(&list, std)
	return list.Write(std.out, format)
}

// document returns the scope document to make a list of, and what is inside.
func (f *exportFlags) document(ctx context.Context, s *settings, std streams) (*scope.Document, *zone.Map, error) {
	f.central.override(&s.Central)
	switch {
	case f.state != "" && f.scopeFile != "":
		return nil, nil, usagef("--state and --scope-file can't both be the source of the list")
	case f.central.brokers != "" && f.state+f.scopeFile != "":
		return nil, nil, usagef("--kafka can't be the source of the list beside --state or --scope-file")
	case f.scopeFile != "":
		zones, err := zone.New(s.Internal, s.Zones)
		if err != nil {
			return nil, nil, err
		}
		doc, err := readScope(f.scopeFile)
		return doc, zones, err
	case len(s.Central.Brokers) > 0 && f.state == "":
		if err := f.central.check(s); err != nil {
			return nil, nil, err
		}
		ledger, zones, about, err := jointLedger(ctx, s, std)
		if err != nil {
			return nil, nil, err
		}
		doc := ledger.Document(about)
		return &doc, zones, nil
	case s.State == "":
		return nil, nil, usagef("--state DIR, --kafka BROKERS or --scope-file FILE is missing: what to make the list of?")
	}
	db, zones, err := attachState(s)
	if err != nil {
		return nil, nil, err
	}
	ledger, about, err := storedLedger(db, s, zones)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, nil, err
	}
	doc := ledger.Document(about)
	return &doc, zones, nil
}

// readScope reads a scope document.
func readScope(path string) (*scope.Document, error) {
	text, err := input.Read(path)
	if err != nil {
		return nil, fmt.Errorf("scope document: %w", err)
	}
	var doc scope.Document
	if err := json.Unmarshal(bytes.TrimSpace(text), &doc); err != nil {
		return nil, fmt.Errorf("scope document %s: %w (replay --scope FILE writes one)", path, err)
	}
	if doc.Version != scope.DocumentVersion {
		return nil, fmt.Errorf("scope document %s: version %d, want %d", path, doc.Version, scope.DocumentVersion)
	}
	return &doc, nil
}

// least returns the least state of hosts in a list of whom to isolate.
func (f *exportFlags) least(purpose export.Purpose) (state scope.State, err error) {
	if purpose != export.ToIsolate {
		return state, nil
	}
	if err = state.UnmarshalText([]byte(f.minState)); err != nil || state == scope.Seen {
		return state, usagef("--min-state %q: infected, suspected, targeted or exposed", f.minState)
	}
	return state, nil
}

// block lists what to block, guarded by what is inside and what is trusted.
func block(doc *scope.Document, s *settings, zones *zone.Map) (export.List, error) {
	trust, err := s.trust()
	if err != nil {
		return export.List{}, err
	}
	return export.Block(doc, export.Guards{Inside: zones.Inside, Trust: trust}), nil
}

// maxTold is how many things left out are told one by one.
const maxTold = 100

// tellLeftOut says what is not in the list, and why.
func tellLeftOut(l *export.List, std streams) {
	for i := range l.LeftOut[:min(len(l.LeftOut), maxTold)] {
		std.report("left out: %s %s", l.LeftOut[i].Value, l.LeftOut[i].Reason)
	}
	if n := len(l.LeftOut) - maxTold; n > 0 {
		std.report("left out: %d more (--format json lists all)", n)
	}
	if len(l.Entries) == 0 {
		std.report("nothing to %s", l.Purpose)
	}
}
