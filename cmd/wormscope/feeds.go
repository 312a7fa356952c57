package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"wormscope/internal/plural"
	"wormscope/ioc"
	"wormscope/ioc/feed"
)

func newFeeds(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "feeds",
		Short: "Look at indicator feeds",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFeedsCheck(std))
	return cmd
}

func newFeedsCheck(std streams) *cobra.Command {
	var one feedSetting
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "Say what is in feeds, and what of it is not used and why",
		Long: `Check reads feeds as replay would, and shows for each file its format, the
entries by type, and the lines that are not used, by reason. A feed with no
usable entry is an error.`,
		Example: `  wormscope feeds check indicators.csv lists/
  wormscope feeds check --columns indicator=observable,description=campaign own.csv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("feeds check needs a feed: a file or a folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return checkFeeds(cmd.Context(), one, args, std.out)
		},
	}
	cmd.Flags().StringVar(&one.Format, "format", "", "`FORMAT` of the feeds: auto, plain, csv, zeek, misp, stix, spamhaus or rpz (default auto)")
	cmd.Flags().StringToStringVar(&one.Columns, "columns", nil, "columns of a CSV feed, such as `indicator=ip,description=malware`")
	cmd.Flags().Lookup("columns").DefValue = "" // what help says
	cmd.Flags().BoolVar(&one.Force, "force", false, "take what the guards refuse: private addresses, wide networks")
	return cmd
}

// checkFeeds reports on each path, and fails if a feed has no usable entry.
func checkFeeds(ctx context.Context, one feedSetting, paths []string, out io.Writer) error {
	options, err := one.options()
	if err != nil {
		return usageError{err}
	}
	var failed []error
	for _, path := range paths {
		report, err := feed.Load(ctx, ioc.NewBuilder(), path, options)
		failed = append(failed, err)
		if err := report.WriteText(out); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// options returns how to read the feed.
func (f *feedSetting) options() (feed.Options, error) {
	o := feed.Options{Name: f.Name, Force: f.Force}
	if f.Format != "" {
		format, err := feed.ParseFormat(f.Format)
		if err != nil {
			return o, err
		}
		o.Format = format
	}
	var err error
	if o.TLP, err = feed.ParseTLP(f.TLP); err != nil {
		return o, err
	}
	if f.Class != "" {
		if o.Class, err = feed.ParseClass(f.Class); err != nil {
			return o, err
		}
	}
	for column, header := range f.Columns {
		if err := setColumn(&o.Columns, column, header); err != nil {
			return o, err
		}
	}
	return o, nil
}

// setColumn says which column of a CSV feed holds what.
func setColumn(c *feed.Columns, what, header string) error {
	fields := map[string]*string{
		"indicator": &c.Indicator, "type": &c.Type, "port": &c.Port, "description": &c.Description,
		"reference": &c.Reference, "confidence": &c.Confidence, "class": &c.Class, "first_seen": &c.FirstSeen, "expires": &c.Expires,
	}
	field, ok := fields[what]
	if !ok {
		return fmt.Errorf("unknown column %q: indicator, type, port, description, reference, confidence, class, first_seen or expires", what)
	}
	*field = header
	return nil
}

// loadFeeds makes the set of indicators that the settings ask for. Entries that
// can't be used are warned of in one line for each file.
func loadFeeds(ctx context.Context, s *settings, std streams) (*ioc.Set, error) {
	set, _, err := readFeeds(ctx, s, std)
	return set, err
}

// readFeeds is loadFeeds for callers who want the reports, too: one per feed.
func readFeeds(ctx context.Context, s *settings, std streams) (*ioc.Set, []*feed.Report, error) {
	b, err := startSet(s)
	if err != nil {
		return nil, nil, err
	}
	var reports []*feed.Report
	for i := range s.Feeds {
		options, err := s.Feeds[i].options()
		if err != nil {
			return nil, nil, fmt.Errorf("feed %s: %w", s.Feeds[i].Path, err)
		}
		report, err := feed.Load(ctx, b, s.Feeds[i].Path, options)
		if err != nil {
			return nil, nil, whereToLook(err, s.Feeds[i].Path)
		}
		for j := range report.Files {
			warnFeed(std, &report.Files[j])
		}
		reports = append(reports, report)
	}
	return b.Build(), reports, nil
}

// whereToLook adds to the error of each feed without a usable entry the command
// that says why.
func whereToLook(err error, path string) error {
	return eachOf(err, func(one error) error {
		if errors.Is(one, feed.ErrNoEntries) {
			return fmt.Errorf("%w (wormscope feeds check %s says why)", one, path)
		}
		return one
	})
}

// startSet begins a set with what is allowed, and with the built-in indicators
// if the settings have them.
func startSet(s *settings) (*ioc.Builder, error) {
	b := ioc.NewBuilder()
	for _, allowed := range s.Allow.Indicators {
		if err := b.Allow(allowed); err != nil {
			return nil, fmt.Errorf("allowed indicator %q: %w", allowed, err)
		}
	}
	if s.Builtin {
		if _, err := feed.AddBuiltin(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// warnFeed warns, a line each, of entries that are not used and of those that are
// used in another way than the feed says.
func warnFeed(std streams, f *feed.FileReport) {
	switch n := f.SkippedTotal(); {
	case f.Err != nil:
		std.report("warning: feed %s: %v", f.Path, f.Err)
	case f.Total() == 0:
		std.report("warning: feed %s: nothing of it is in use: allow.indicators has %d of %s", f.Path, f.Allowed(), plural.Count(n, "entry", "entries"))
	case n > 0:
		std.report("warning: feed %s: %s not used (see wormscope feeds check)", f.Path, plural.Count(n, "entry is", "entries are"))
	}
	if n := f.Undated.Count; n > 0 {
		std.report("warning: feed %s: %s is not understood (see wormscope feeds check)", f.Path,
			plural.Count(n, "entry is used for ever, since when it expires", "entries are used for ever, since when they expire"))
	}
	if n := f.Unclassed.Count; n > 0 {
		std.report("warning: feed %s: %s a class that is not understood (see wormscope feeds check)", f.Path, plural.Count(n, "entry has", "entries have"))
	}
}
