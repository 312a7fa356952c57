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
	"slices"
	"syscall"
	"time"
)

// cost is what a run of a program took.
type cost struct {
	cpu, wall time.Duration
	peak      int64 // bytes of memory at the most
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
		peak: used.Maxrss << 10,
	}, nil
}

// repeat runs a program several times and returns the medians.
func repeat(runs int, c command) (cost, error) {
	var all []cost
	for range runs {
		one, err := c.run()
		if err != nil {
			return cost{}, err
		}
		all = append(all, one)
	}
	return median(all), nil
}

// alternate runs two programs in turn and returns the medians of each.
func alternate(runs int, a, b command) (cost, cost, error) {
	var as, bs []cost
	for range runs {
		one, err := a.run()
		if err != nil {
			return cost{}, cost{}, err
		}
		other, err := b.run()
		if err != nil {
			return cost{}, cost{}, err
		}
		as, bs = append(as, one), append(bs, other)
	}
	return median(as), median(bs), nil
}

// median returns the medians of the times, and the highest of the peaks.
func median(all []cost) cost {
	cpu, wall := make([]time.Duration, 0, len(all)), make([]time.Duration, 0, len(all))
	var m cost
	for _, c := range all {
		cpu, wall = append(cpu, c.cpu), append(wall, c.wall)
		m.peak = max(m.peak, c.peak)
	}
	slices.Sort(cpu)
	slices.Sort(wall)
	m.cpu, m.wall = cpu[len(cpu)/2], wall[len(wall)/2]
	return m
}

// Lengths of the parts of a pcap file.
const (
	fileHeader   = 24
	recordHeader = 16
)

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
