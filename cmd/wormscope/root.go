package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Exit statuses (docs/usage.md).
const (
	exitOK    = 0 // ran to the end, whatever it found
	exitFail  = 1 // failed
	exitUsage = 2 // was called wrongly
)

// A usageError is a mistake in how the program was called.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// report writes a line about the run to standard error, where an error of
// writing has nowhere to go.
func (s streams) report(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, "wormscope: "+format+"\n", args...)
}

// usagef makes a usageError.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// streams are the standard streams that a command was given.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run is the whole program: it runs the command that args name and returns
// the exit status. An error is one line on stderr.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := streams{in: stdin, out: stdout, err: stderr}
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitOK
	}
	std.report("%v", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFail
}

// newRoot returns the root command with all commands below it.
func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "wormscope",
		Short: "Show how far a network worm has got, from traffic alone",
		Long: `wormscope shows how far a network worm has got, from traffic alone: who scans
port 445, who asked for or contacted a known-bad name or address, who exposes
the port, and so who is infected, since when and in which zone. It only listens:
it never sends a packet into the network it watches.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(newReplay(std), newLive(std), newDoctor(std), newReport(std), newMark(std), newUnmark(std), newExport(std), newScope(std), newFeeds(std), newConfig(std), newMan())
	return root
}

// version returns the version that the binary was built from, as far as the
// build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// noArgs refuses arguments to a command that only has commands below it.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q (see %s --help)", args[0], cmd.CommandPath())
	}
	return nil
}
