// Bench measures what wormscope costs beside tcpdump: processor time a packet,
// the loading of feeds left out, and the peak of its memory.
//
//	bench -wormscope bin/wormscope -feed names.txt -feed addresses.txt CAPTURE...
//
// tcpdump only copies each capture to /dev/null; wormscope runs all detectors
// over it. The two take turns, so that what else the machine does falls on
// both, and the median of the rounds counts.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// list is a flag that can be given several times.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// options are the command line's.
type options struct {
	wormscope, tcpdump string
	events             bool // write events and the scope document, too
	exact              bool // count instructions, not time
	feeds              list
	runs               int
	captures           []string
}

func run(args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.wormscope, "wormscope", "bin/wormscope", "program to measure")
	flags.BoolVar(&o.events, "events", false, "have events and the scope document written, too")
	flags.BoolVar(&o.exact, "exact", false, "count instructions by valgrind instead of measuring time")
	flags.StringVar(&o.tcpdump, "tcpdump", "tcpdump", "program to measure it by")
	flags.Var(&o.feeds, "feed", "feed to load, repeatable")
	flags.IntVar(&o.runs, "runs", 5, "how often each runs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.captures = flags.Args(); len(o.captures) == 0 || o.runs < 1 {
		return errors.New("name a capture, and at least one run")
	}
	if o.exact {
		return o.count(stdout)
	}
	return o.measure(stdout)
}

// measure runs everything and prints a table.
func (o options) measure(stdout io.Writer) error {
	empty, remove, err := emptyFile()
	if err != nil {
		return err
	}
	defer remove()
	var out bytes.Buffer
	rows := bytes.NewBufferString("capture\tpackets\tbytes/packet\ttcpdump ns/packet\twormscope ns/packet\tratio\tlowest\thighest\twall ratio\tloading s\tpeak MB\t\n")
	for _, capture := range o.captures {
		if err = o.row(rows, capture, empty); err != nil {
			return err
		}
	}
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err = rows.WriteTo(table); err != nil {
		return err
	}
	if err = table.Flush(); err != nil {
		return err
	}
	_, err = out.WriteTo(stdout)
	return err
}

// row measures one capture. In each round the feeds are loaded for nothing, so
// that what the machine does at the time falls on all: once to know what it takes,
// and once before that, for what a page of memory costs depends on who had it
// last. Those that a program has just given back are at hand; of others, idle for
// seconds, a virtual machine's host may have to be asked, which takes 40 times as
// long. So both runs that are compared follow one that loads the feeds.
func (o options) row(rows *bytes.Buffer, capture, empty string) error {
	packets, bytes, err := count(capture)
	if err != nil {
		return err
	}
	took, err := takeTurns(o.runs, o.copy(capture), o.replay(empty), o.replay(empty), o.replay(capture))
	if err != nil {
		return err
	}
	var theirs, ours, ratio, wall, loading []float64
	for i, tcpdump := range took[0] {
		load, all := took[2][i], took[3][i]
		theirs = append(theirs, float64(tcpdump.cpu)/float64(packets))
		ours = append(ours, float64(all.cpu-load.cpu)/float64(packets))
		ratio = append(ratio, float64(all.cpu-load.cpu)/float64(tcpdump.cpu))
		wall = append(wall, float64(all.wall-load.wall)/float64(tcpdump.wall))
		loading = append(loading, load.cpu.Seconds())
	}
	fmt.Fprintf(rows, "%s\t%d\t%d\t%.1f\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t\n", filepath.Base(capture), packets, bytes/packets,
		median(theirs), median(ours), median(ratio), slices.Min(ratio), slices.Max(ratio), median(wall), median(loading), peak(took[3])>>20)
	return nil
}

// copy is the command that has tcpdump copy a capture to nowhere. Run by root,
// it would first become a user of its own, and give the device to that user.
func (o options) copy(capture string) command {
	args := []string{"-nr", capture, "-w", os.DevNull}
	if os.Geteuid() == 0 {
		args = append(args, "-Z", "root")
	}
	return command{o.tcpdump, args}
}

// replay is the command that runs wormscope over a capture.
func (o options) replay(capture string) command {
	args := []string{"replay"}
	if o.events {
		args = append(args, "--alerts", os.DevNull, "--scope", os.DevNull)
	}
	for _, f := range o.feeds {
		args = append(args, "--feed", f)
	}
	return command{o.wormscope, append(args, capture)}
}
