//go:build linux

// Live measures what wormscope costs on an interface beside tcpdump: on a
// cable in a namespace of its own, whose sender keeps one core busy, while
// tcpdump and wormscope capture in turn on the other.
//
//	live -wormscope bin/wormscope -feed names.txt CAPTURE...
//
// For each capture it looks for the highest rate at which tcpdump, which
// copies to /dev/null from a ring of the same size, loses nothing. At that
// rate both run in turn, so that what else the machine does falls on both,
// and the median counts. It needs root.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"wormscope/internal/blast"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
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
	feeds, args        list
	runs, megabytes    int
	rate               float64
	bare               bool
	captures           []string
}

func run(args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("live", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.wormscope, "wormscope", "bin/wormscope", "program to measure")
	flags.StringVar(&o.tcpdump, "tcpdump", "tcpdump", "program to measure it by")
	flags.Var(&o.feeds, "feed", "feed to load, repeatable")
	flags.Var(&o.args, "arg", "further argument of wormscope live, repeatable: a second wormscope runs with these")
	flags.IntVar(&o.runs, "runs", 5, "how often each runs")
	flags.IntVar(&o.megabytes, "ring-mb", 256, "size of each ring, MiB")
	flags.Float64Var(&o.rate, "rate", 0, "frames a second; 0 for the highest at which tcpdump loses nothing")
	flags.BoolVar(&o.bare, "bare", false, "measure the ring and the decoder alone, too")
	read := flags.String("read", "", "only read this interface until stopped, and say how much came (this is what -bare runs)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *read != "" {
		return readOnly(*read, o.megabytes, stderr)
	}
	if o.captures = flags.Args(); len(o.captures) == 0 || o.runs < 1 || o.megabytes < 1 {
		return errors.New("name a capture, at least one run, and a ring of at least 1 MiB")
	}
	return o.measure(stdout, stderr)
}

// measure runs everything and prints a table.
func (o *options) measure(stdout, stderr io.Writer) (err error) {
	c, err := newCable()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.remove()) }()
	dir, err := os.MkdirTemp("", "bench-live")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left lies in the folder for temporary files
	readers, err := o.readers(dir)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "capture\tprogram\tframes/s\tsent\treceived\tlost, %\tCPU ns/frame\tratio\t") //nolint:errcheck // Flush says it
	for _, path := range o.captures {
		if err = o.rows(table, stderr, c, path, readers); err != nil {
			return err
		}
	}
	return table.Flush()
}

// rows measures one capture.
func (o *options) rows(table, stderr io.Writer, c *cable, path string, readers []reader) error {
	capture, err := blast.Open(path)
	if err != nil {
		return err
	}
	defer capture.Close() //nolint:errcheck // only read
	rate := o.rate
	if rate == 0 {
		if rate, err = c.highest(stderr, capture, readers[0], o.runs); err != nil {
			return err
		}
	}
	all := make([][]result, len(readers))
	for range o.runs {
		for i, r := range readers {
			one, err := c.play(capture, rate, r)
			if err != nil {
				return err
			}
			fmt.Fprintf(stderr, "%s: %s: %v\n", filepath.Base(path), r.name, one) //nolint:errcheck // what it is doing
			all[i] = append(all[i], one)
		}
	}
	theirs := median(all[0])
	for i, r := range readers {
		m := median(all[i])
		//nolint:errcheck // Flush says it
		fmt.Fprintf(table, "%s\t%s\t%.0f\t%d\t%d\t%.3f\t%.1f\t%.2f\t\n", filepath.Base(path), r.name, m.rate, m.sent, m.received,
			100*float64(m.lost)/float64(m.sent), m.nsPerFrame(), m.nsPerFrame()/theirs.nsPerFrame())
	}
	return nil
}
