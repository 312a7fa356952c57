package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// count prints how many instructions a packet takes, of each capture. That is
// the same on a busy machine and on a quiet one; what the kernel does for a
// program, and waiting for memory, is not in it.
func (o options) count(stdout io.Writer) error {
	empty, remove, err := emptyFile()
	if err != nil {
		return err
	}
	defer remove()
	var programs []command
	for _, capture := range append([]string{empty}, o.captures...) {
		programs = append(programs, o.copy(capture), o.replay(capture))
	}
	var counted []int64
	for _, p := range programs {
		n, err := p.instructions()
		if err != nil {
			return err
		}
		counted = append(counted, n)
	}
	for i, capture := range o.captures {
		packets, _, err := count(capture)
		if err != nil {
			return err
		}
		theirs, ours := counted[2*i+2]-counted[0], counted[2*i+3]-counted[1]
		if _, err := fmt.Fprintf(stdout, "%s: tcpdump %.0f, wormscope %.0f instructions a packet\n",
			filepath.Base(capture), float64(theirs)/float64(packets), float64(ours)/float64(packets)); err != nil {
			return err
		}
	}
	return nil
}

// instructions runs the program under valgrind and returns how many it executed.
func (c command) instructions() (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	args := slices.Concat([]string{"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=" + os.DevNull, c.name}, c.args)
	cmd := exec.CommandContext(ctx, "valgrind", args...)
	// Signals that make room for others confuse valgrind, and when garbage is
	// collected depends on the moment. Valgrind runs one thread at a time, and
	// goroutines on others would be waited for in loops that count.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOGC=off", "GOMAXPROCS=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("valgrind %s: %w: %s", c.name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	found := regexp.MustCompile(`I +refs: +([0-9,]+)`).FindSubmatch(stderr.Bytes())
	if found == nil {
		return 0, fmt.Errorf("valgrind does not say how many instructions %s executed: %s", c.name, bytes.TrimSpace(stderr.Bytes()))
	}
	return strconv.ParseInt(strings.ReplaceAll(string(found[1]), ",", ""), 10, 64)
}
