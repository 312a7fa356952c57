// Pcapgen makes the project's own captures, always the same bytes:
//
//	pcapgen -out testdata/pcaps                                  the captures that tests and documentation use
//	pcapgen -bench small|large|flood -packets 4000000 -out FILE  a capture to measure with
//	pcapgen -names 1000000 -out FILE                             a feed of names
//	pcapgen -addresses 100000 -out FILE                          a feed of addresses
//	pcapgen -repeat -packets 1000000 -out FILE CAPTURE...        captures over and over, to measure with
//
// The captures to measure with hold 100 of the names and addresses of the
// feeds, and no other.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"wormscope/cmd/pcapgen/load"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "pcapgen:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	out       string
	bench     string
	packets   int
	names     int
	addresses int
	repeat    bool
	captures  []string
}

func run(args []string, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("pcapgen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.out, "out", "", "folder for the captures, or the file to write")
	flags.StringVar(&o.bench, "bench", "", "write a capture to measure with: small, large, smb or flood")
	flags.IntVar(&o.packets, "packets", 4_000_000, "how many packets it has; of a flood, how many sources")
	flags.IntVar(&o.names, "names", 0, "write a feed of this many names")
	flags.IntVar(&o.addresses, "addresses", 0, "write a feed of this many addresses")
	flags.BoolVar(&o.repeat, "repeat", false, "write the captures that are named over and over, until there are so many packets")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.captures = flags.Args()
	switch {
	case o.out == "":
		return errors.New("say where to with -out")
	case o.repeat:
		return toFile(o.out, func(w io.Writer) error { return load.WriteRepeated(w, o.captures, o.packets) })
	case o.names > 0:
		return toFile(o.out, func(w io.Writer) error { return load.WriteNames(w, o.names) })
	case o.addresses > 0:
		return toFile(o.out, func(w io.Writer) error { return load.WriteAddresses(w, o.addresses) })
	case o.bench == "flood":
		return flood(o)
	case o.bench != "":
		mix, ok := load.Mixes()[o.bench]
		if !ok {
			return fmt.Errorf("-bench %s: not small, large or flood", o.bench)
		}
		return toFile(o.out, func(w io.Writer) error { return mix.Write(w, o.packets) })
	}
	return all(o.out)
}

// all writes every sample into a folder.
func all(dir string) error {
	for _, s := range samples() {
		if err := toFile(filepath.Join(dir, s.name), s.write); err != nil {
			return err
		}
	}
	return nil
}

// flood writes the capture of a flood, and beside it what was planted.
func flood(o options) error {
	var planted []byte
	err := toFile(o.out, func(w io.Writer) (err error) {
		planted, err = load.WriteFlood(w, o.packets)
		return err
	})
	if err != nil {
		return err
	}
	return toFile(o.out+".truth.json", func(w io.Writer) error { _, err := w.Write(planted); return err })
}

// toFile makes a file of what write writes.
func toFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return w.Flush()
}
