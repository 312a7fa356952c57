package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// cost is what a run of a program took.
type cost struct {
	cpu, wall time.Duration
	peak      int64 // bytes of memory at most
}

// command is a program with its arguments.
type command struct {
	name string
	args []string
}

// deadline is after what time a run is given up.
const deadline = 10 * time.Minute

// run runs the program once. It fails when the program does.
func (c command) run() (cost, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Stderr = &stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", c.name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, errors.New("this system does not say what a program used")
	}
	return cost{
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		wall: time.Since(begin),
		peak: int64(used.Maxrss) << 10, //nolint:unconvert // it has 32 bits on some systems
	}, nil
}

// takeTurns runs programs one after the other, so many times, and returns what
// each took in each round.
func takeTurns(rounds int, programs ...command) ([][]cost, error) {
	took := make([][]cost, len(programs))
	for range rounds {
		for i, p := range programs {
			one, err := p.run()
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], one)
		}
	}
	return took, nil
}

// peak returns the highest of the peaks.
func peak(all []cost) (most int64) {
	for _, c := range all {
		most = max(most, c.peak)
	}
	return most
}

// median returns the middle one of some numbers, of two in the middle the
// greater.
func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// Lengths of the parts of a pcap file.
const (
	fileHeader   = 24
	recordHeader = 16
)

// emptyFile makes a capture without a packet, for what a program does before
// the first, and returns its path and what removes it.
func emptyFile() (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "empty.pcap")
	remove = func() { _ = os.RemoveAll(dir) } // what is left lies in the folder for temporary files
	if err := os.WriteFile(path, emptyPcap(), 0o600); err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}

// emptyPcap is a little-endian capture of Ethernet without a packet.
func emptyPcap() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 262144)
	return binary.LittleEndian.AppendUint32(b, 1)
}

// count counts the packets of a little-endian pcap and their bytes. It also
// brings the file into the page cache.
func count(path string) (packets, length int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	r := bufio.NewReaderSize(f, 1<<20)
	if _, err := r.Discard(fileHeader); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	var head [recordHeader]byte
	for {
		switch _, err := io.ReadFull(r, head[:]); {
		case errors.Is(err, io.EOF) && packets > 0:
			return packets, length, nil
		case err != nil:
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
		n := int64(binary.LittleEndian.Uint32(head[8:]))
		if _, err := r.Discard(int(n)); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
		packets++
		length += n
	}
}
