package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newMan returns the hidden command that writes the manual pages, for packages.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages to a folder, one a command",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("man needs one folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return writePages(cmd.Root(), args[0], buildDate())
		},
	}
}

// buildDate is the date that pages carry: the time of the sources, so that the
// same sources give the same pages. Empty where nothing is known of it.
func buildDate() string {
	if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(s, 0).UTC().Format(time.DateOnly)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if day, _, found := strings.Cut(s.Value, "T"); found && s.Key == "vcs.time" {
				return day
			}
		}
	}
	return ""
}

// writePages writes the pages of a command and of those below it.
func writePages(cmd *cobra.Command, dir, date string) error {
	if cmd.Hidden || !cmd.IsAvailableCommand() && cmd.HasParent() || cmd.Name() == "completion" {
		return nil
	}
	for _, c := range cmd.Commands() {
		if err := writePages(c, dir, date); err != nil {
			return err
		}
	}
	name := pageName(cmd)
	return writeWhole("manual page", filepath.Join(dir, name+".1"), nil, func(w io.Writer) error {
		p := page{w: bufio.NewWriter(w)}
		p.write(cmd, date)
		return p.w.Flush()
	})
}

// pageName returns the name of a command's page, as git and others have it.
func pageName(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "-")
}

// A page is a manual page being written, in the macros of man(7). Errors of
// writing stay in the writer until it is flushed.
type page struct{ w *bufio.Writer }

// line writes a line of roff as it is.
func (p *page) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}

// roff returns text as roff takes it literally.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// write writes the whole page of a command.
func (p *page) write(cmd *cobra.Command, date string) {
	name := pageName(cmd)
	p.line(`.TH %s 1 "%s" "wormscope %s" "wormscope manual"`, roff(strings.ToUpper(name)), date, roff(version()))
	p.line(".SH NAME\n%s \\- %s", roff(name), roff(cmd.Short))
	p.line(".SH SYNOPSIS")
	path, rest := cmd.CommandPath(), strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())
	if cmd.HasAvailableSubCommands() {
		rest = " COMMAND [flags]"
	}
	p.line(`\fB%s\fR%s`, roff(path), roff(rest))
	p.line(".SH DESCRIPTION")
	p.paragraphs(cmdText(cmd))
	p.commands(cmd)
	p.options("OPTIONS", cmd.NonInheritedFlags())
	p.options("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		p.line(".SH EXAMPLES")
		p.verbatim(cmd.Example)
	}
	p.line(".SH EXIT STATUS")
	p.paragraphs("0 when it ran to the end, whatever it found; 1 when it failed; 2 when it was called wrongly.")
	p.seeAlso(cmd)
}

// cmdText returns the description of a command, or its one line where it has no other.
func cmdText(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return cmd.Short + "."
}

// paragraphs writes text whose paragraphs are separated by empty lines; lines that
// begin with a space keep their form.
func (p *page) paragraphs(text string) {
	for i, para := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		if strings.HasPrefix(para, " ") {
			p.verbatim(para)
			continue
		}
		for l := range strings.SplitSeq(para, "\n") {
			p.line("%s", roff(strings.TrimSpace(l)))
		}
	}
}

// verbatim writes lines as they are.
func (p *page) verbatim(text string) {
	p.line(".nf")
	for l := range strings.SplitSeq(text, "\n") {
		p.line("%s", roff(l))
	}
	p.line(".fi")
}

// commands lists the commands below one.
func (p *page) commands(cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	p.line(".SH COMMANDS")
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "completion" {
			p.line(".TP\n\\fB%s\\fR\n%s", roff(c.Name()), roff(c.Short))
		}
	}
}

// options lists flags under a heading.
func (p *page) options(heading string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.line(".SH %s", heading)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		names := `\fB\-\-` + roff(f.Name) + `\fR`
		if f.Shorthand != "" {
			names = `\fB\-` + f.Shorthand + `\fR, ` + names
		}
		if value != "" {
			names += ` \fI` + roff(value) + `\fR`
		}
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" && !strings.Contains(usage, "default") {
			usage += " (default " + d + ")"
		}
		p.line(".TP\n%s\n%s", names, roff(usage))
	})
}

// seeAlso names the pages above and below.
func (p *page) seeAlso(cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, pageName(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "completion" {
			pages = append(pages, pageName(c))
		}
	}
	p.line(".SH SEE ALSO")
	for i, name := range pages {
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		p.line(".BR %s (1)%s", roff(name), comma)
	}
}
