//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/capture/ring"
)

// A reader is a program that captures.
type reader struct {
	name    string
	command []string
	counts  func(stderr string) (received, lost int64, err error) // once it has ended
	filters bool                                                  // the kernel may drop a part on its behalf
}

// readers are the programs to compare, the first with the others.
func (o *options) readers(dir string) ([]reader, error) {
	kib := strconv.Itoa(o.megabytes << 10)
	all := []reader{{"tcpdump", []string{o.tcpdump, "-nn", "-Z", "root", "-i", right, "-B", kib, "-w", os.DevNull}, tcpdumpCounts, false}}
	if o.bare {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		all = append(all, reader{"ring and decoder", []string{self, "-read", right, "-ring-mb", strconv.Itoa(o.megabytes)}, ownCounts, false})
	}
	if o.wormscope == "" {
		return all, nil
	}
	scope := filepath.Join(dir, "scope.json")
	live := []string{o.wormscope, "live", "--no-sandbox", "-i", right, "--ring-mb", strconv.Itoa(o.megabytes), "--scope", scope}
	for _, f := range o.feeds {
		live = append(live, "--feed", f)
	}
	counts := func(string) (int64, int64, error) { return scopeCounts(scope) }
	all = append(all, reader{"wormscope", live, counts, false})
	if len(o.args) > 0 {
		all = append(all, reader{"wormscope " + strings.Join(o.args, " "), append(slices.Clip(live), o.args...), counts, true})
	}
	return all, nil
}

// tcpdumpCounts reads what tcpdump says at its end. What it has received has
// the lost frames in it; what it has captured may lack the last block, which
// it leaves when it is stopped.
func tcpdumpCounts(stderr string) (received, lost int64, err error) {
	received, lost, err = find(stderr, `(\d+) packets received by filter`, `(\d+) packets dropped by kernel`)
	return received - lost, lost, err
}

// ownCounts reads what readOnly says.
func ownCounts(stderr string) (received, lost int64, err error) {
	return find(stderr, `(\d+) received`, `(\d+) dropped`)
}

func find(text string, patterns ...string) (received, lost int64, err error) {
	var n [2]int64
	for i, p := range patterns {
		m := regexp.MustCompile(p).FindStringSubmatch(text)
		if m == nil {
			return 0, 0, fmt.Errorf("no %q in %q", p, text)
		}
		if n[i], err = strconv.ParseInt(m[1], 10, 64); err != nil {
			return 0, 0, err
		}
	}
	return n[0], n[1], nil
}

// scopeCounts reads a scope document.
func scopeCounts(path string) (received, lost int64, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	var document struct {
		Capture struct{ Packets, Dropped int64 }
	}
	err = json.Unmarshal(text, &document)
	return document.Capture.Packets, document.Capture.Dropped, err
}

// A process is a reader that runs.
type process struct {
	reader reader
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  bool
}

// start starts a reader on its core in the namespace.
func (c *cable) start(r reader) (*process, error) {
	p := &process{reader: r}
	err := c.inside(readerCore, func() error {
		p.cmd = exec.Command(r.command[0], r.command[1:]...) //nolint:noctx // stop and kill end it
		p.cmd.Stderr = &p.stderr
		return p.cmd.Start()
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		capturing, err := p.capturing()
		switch {
		case capturing && err == nil:
			return p, nil
		case err != nil || time.Now().After(end):
			p.kill()
			return nil, fmt.Errorf("%s does not capture: %w: %s", r.name, err, p.stderr.String())
		}
	}
}

// capturing reports whether the process has a packet socket that runs.
func (p *process) capturing() (bool, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/packet", p.cmd.Process.Pid))
	if err != nil {
		return false, err
	}
	if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)); err != nil || strings.Contains(string(state), ") Z ") {
		return false, errors.New("it has ended")
	}
	for line := range strings.Lines(string(text)) {
		// sk RefCnt Type Proto Iface R Rmem User Inode
		if f := strings.Fields(line); len(f) > 5 && f[3] == "0003" && f[5] == "1" {
			return true, nil
		}
	}
	return false, nil
}

// cpu returns what the process has used of the processor, all its threads
// together (clock_getcpuclockid(3)).
func (p *process) cpu() (time.Duration, error) {
	const scheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|scheduler), &t); err != nil { //nolint:gosec // a process number fits
		return 0, fmt.Errorf("%s: its processor time: %w: %s", p.reader.name, err, p.stderr.String())
	}
	return time.Duration(t.Nano()), nil
}

// settle waits until the process has nothing to do.
func (p *process) settle() error {
	const quiet, little = 300 * time.Millisecond, 6 * time.Millisecond
	for end := time.Now().Add(time.Minute); ; {
		before, err := p.cpu()
		if err != nil {
			return err
		}
		time.Sleep(quiet)
		after, err := p.cpu()
		if err != nil {
			return err
		}
		if after-before < little {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is never done", p.reader.name)
		}
	}
}

// stop asks the process to end and returns its counts.
func (p *process) stop() (received, lost int64, err error) {
	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		return 0, 0, err
	}
	late := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() }) // Wait says that it was killed
	defer late.Stop()
	p.ended = true
	if err := p.cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", p.reader.name, err, p.stderr.String())
	}
	return p.reader.counts(p.stderr.String())
}

// kill ends the process if it has not been stopped.
func (p *process) kill() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.cmd.Process.Kill() // it is waited for
	_ = p.cmd.Wait()         // it was killed
}

// readOnly captures and decodes, and does nothing with it.
func readOnly(iface string, megabytes int, stderr io.Writer) error {
	runtime.LockOSThread()
	source, err := ring.Open(ring.Options{Interfaces: []string{iface}, Blocks: megabytes})
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // all is read
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	go func() {
		<-stop
		source.Stop()
	}()
	var f capture.Frame
	var p packet.Packet
	for decoder := packet.NewDecoder(); ; {
		switch err := source.Next(&f); {
		case err == nil:
			decoder.Decode(&f, &p)
		case errors.Is(err, io.EOF):
			total := source.Stats().Total()
			_, err = fmt.Fprintf(stderr, "%d received, %d dropped\n", total.Received, total.Dropped)
			return err
		case !errors.Is(err, capture.ErrIdle):
			return err
		}
	}
}
