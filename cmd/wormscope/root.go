package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"unicode"

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

// usagef makes a usageError.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// streams are the standard streams that a command was given.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// report writes a line about the run to standard error. If that fails, there is no
// place left to say so.
func (s streams) report(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, "wormscope: %s\n", escaped(fmt.Sprintf(format, args...)))
}

// escaped writes control characters, and those that turn the direction of text, as in
// Go strings: file names and answers of receivers may have them.
func escaped(text string) string {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) }
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// joined returns the errors that are joined in one: each is a line of its own.
func joined(err error) []error {
	parts, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(parts.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	var all []error
	for _, part := range parts.Unwrap() {
		all = append(all, joined(part)...)
	}
	return all
}

// eachOf changes each of the errors that are joined in one.
func eachOf(err error, change func(error) error) error {
	if err == nil {
		return nil
	}
	var changed []error
	for _, one := range joined(err) {
		changed = append(changed, change(one))
	}
	return errors.Join(changed...)
}

// distinct returns the messages of joined errors, each once: the same fault may
// have been met at several places.
func distinct(err error) (lines []string) {
	for _, one := range joined(err) {
		if line := one.Error(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// oneLine puts errors that are joined on one line.
func oneLine(err error) string { return strings.Join(distinct(err), "; ") }

// inOneLine has errors that are joined in one line, for who says something of all of them.
type inOneLine struct{ error }

func (e inOneLine) Error() string { return oneLine(e.error) }
func (e inOneLine) Unwrap() error { return e.error }

// run is the whole program: it runs the command that args name and returns
// the exit status. Each error is one line on stderr.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := streams{in: stdin, out: stdout, err: stderr}
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitOK
	}
	for _, line := range distinct(err) {
		std.report("%s", line)
	}
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
		Example: `  wormscope replay incident.pcap
  wormscope replay --report incident.html captures/
  wormscope live -i eth1 --user wormscope --state /var/lib/wormscope/state`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(flagFault)
	root.AddCommand(newReplay(std), newLive(std), newDoctor(std), newReport(std), newMark(std), newUnmark(std), newExport(std), newScope(std), newFeeds(std), newConfig(std), newMan())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, own := range root.Commands() { // cobra's own take any argument for a call for help
		switch own.Name() {
		case "help":
			own.Args = knownCommand
		case "completion":
			own.Args, own.RunE = noArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// knownCommand refuses help about a command that does not exist.
func knownCommand(cmd *cobra.Command, args []string) error {
	if about, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
		return unknownCommand(about, strings.Join(rest, " "))
	}
	return nil
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
		return unknownCommand(cmd, args[0])
	}
	return nil
}
