package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"wormscope/detect/zone"
)

func newConfig(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at a configuration",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(std))
	return cmd
}

func newConfigCheck(std streams) *cobra.Command {
	var connect bool
	cmd := &cobra.Command{
		Use:   "check [--connect] FILE",
		Short: "Say what is wrong with a configuration",
		Long: `Check reads a configuration as replay and live do, loads the feeds that it names,
and says what is wrong: exit status 1 if anything is. With --connect it also
connects to each sink and says what would keep it from delivering: a name that
does not exist, a certificate, a password, a topic, a right. It sends no event.`,
		Example: "  wormscope config check --connect /etc/wormscope/wormscope.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("config check needs one configuration file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return checkConfig(cmd.Context(), args[0], connect, std)
		},
	}
	cmd.Flags().BoolVar(&connect, "connect", false, "connect to the sinks, too")
	return cmd
}

// checkTimeout is how long one sink may take to say whether it would take
// events.
const checkTimeout = 30 * time.Second

// checkConfig says what is wrong with a configuration, one fault a line.
func checkConfig(ctx context.Context, path string, connect bool, std streams) error {
	s, err := (&flagValues{config: path}).settings()
	if err != nil {
		return err
	}
	var wrong []string
	note := func(what string, err error) {
		if err != nil {
			wrong = append(wrong, what+oneLine(err))
		}
	}
	zones, err := zone.New(s.Internal, s.Zones)
	note("", err)
	_, err = loadFeeds(ctx, &s, std)
	note("", err)
	note("live: ", s.Live.checkValues())
	for _, err := range s.HTTP.faults() {
		note("", err)
	}
	note("central: ", s.checkCentral())
	s.warnOfClear(std)
	note("", writable("scope", s.Scope))
	note("", writable("report", s.Report))
	note("", writable("event file", s.Alerts.File))
	note("state: ", makeable(s.State))
	for i := range s.Sinks {
		k := &s.Sinks[i]
		what := "sink " + k.Name + ": "
		sink, err := k.own.open(k.renderer(zones, false))
		if err != nil {
			note(what, err)
			continue
		}
		if connect {
			limited, cancel := context.WithTimeout(ctx, checkTimeout)
			err = sink.Check(limited)
			cancel()
		}
		note(what, errors.Join(err, sink.Close()))
		if err == nil {
			_, _ = fmt.Fprintf(std.out, "%sin order\n", what) // told by the exit status, too
		}
	}
	if len(wrong) == 0 {
		_, _ = fmt.Fprintf(std.out, "%s is in order\n", path)
		return nil
	}
	for _, line := range wrong[:len(wrong)-1] {
		std.report("%s", line)
	}
	return errors.New(wrong[len(wrong)-1])
}

// checkCentral says what is wrong with where the joint ledger is, if the
// configuration says that at all.
func (s *settings) checkCentral() error {
	if len(s.Central.Brokers) == 0 {
		return nil
	}
	central := s.Central
	central.Defaults()
	return central.Validate()
}

// makeable checks that a folder exists and can be written to, or can be made. It finds
// nothing wrong with an empty path.
func makeable(dir string) error {
	if dir == "" {
		return nil
	}
	there := filepath.Clean(dir)
	for {
		info, err := os.Stat(there)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file, where a folder is wanted", there)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		there = filepath.Dir(there)
	}
	f, err := os.CreateTemp(there, ".wormscope.*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
