//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"wormscope/internal/blast"
)

// deadline is after what time a command is given up that sets things up.
const deadline = time.Minute

// The ends of the cable, and who has which core.
const (
	left, right = "left", "right"
	senderCore  = 0
	readerCore  = 1
	maxFrame    = "65535" // bytes, the MTU
)

// A cable is two joined interfaces in a namespace of their own.
type cable struct{ name string }

// newCable makes a cable.
func newCable() (*cable, error) {
	if runtime.NumCPU() < 2 {
		return nil, errors.New("needs two cores: one sends")
	}
	c := &cable{fmt.Sprintf("bench-live-%d", os.Getpid())}
	err := ip("netns", "add", c.name)
	if err != nil {
		return nil, err
	}
	err = ip("-n", c.name, "link", "add", left, "mtu", maxFrame, "type", "veth", "peer", "name", right, "mtu", maxFrame)
	for _, end := range []string{left, right} {
		if err == nil {
			err = ip("netns", "exec", c.name, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/"+end+"/disable_ipv6")
		}
		if err == nil {
			err = ip("-n", c.name, "link", "set", end, "up")
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

// remove removes the namespace, and the cable with it.
func (c *cable) remove() error { return ip("netns", "del", c.name) }

func ip(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}

// arrived returns how many frames came out of the cable.
func (c *cable) arrived() (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "-n", c.name, "-s", "-j", "link", "show", right).Output()
	if err != nil {
		return 0, fmt.Errorf("ask for the counts of the cable: %w", err)
	}
	var links []struct {
		Stats struct{ Rx struct{ Packets int64 } } `json:"stats64"`
	}
	if err := json.Unmarshal(out, &links); err != nil || len(links) != 1 {
		return 0, fmt.Errorf("ip says %q about the cable", out)
	}
	return links[0].Stats.Rx.Packets, nil
}

// inside calls f on a thread in the namespace and on one core. What it starts
// is there, too. The thread ends with f.
func (c *cable) inside(core int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			ns, err := os.Open("/run/netns/" + c.name)
			if err != nil {
				return err
			}
			defer ns.Close() //nolint:errcheck // only held
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter the namespace: %w", err)
			}
			var cores unix.CPUSet
			cores.Set(core)
			if err := unix.SchedSetaffinity(0, &cores); err != nil {
				return fmt.Errorf("keep to core %d: %w", core, err)
			}
			return f()
		}()
	}()
	return <-done
}

// send sends the capture once.
func (c *cable) send(capture *blast.Capture, rate float64) (sent blast.Sent, err error) {
	err = c.inside(senderCore, func() error {
		s, e := blast.NewSender(left)
		if e != nil {
			return e
		}
		sent, e = s.Send(capture, rate)
		return errors.Join(e, s.Close())
	})
	return sent, err
}

// A result is what one run came to.
type result struct {
	sent, received, lost int64
	rate                 float64 // frames a second that were sent
	cpu                  time.Duration
}

func (r result) nsPerFrame() float64 { return float64(r.cpu) / float64(r.sent) }

func (r result) String() string {
	return fmt.Sprintf("%d sent at %.0f/s, %d received, %d lost, %.1f ns", r.sent, r.rate, r.received, r.lost, r.nsPerFrame())
}

// median returns the run of the median cost, with the median of the losses.
func median(all []result) result {
	byLoss := slices.SortedFunc(slices.Values(all), func(a, b result) int { return cmp.Compare(a.lost, b.lost) })
	byCost := slices.SortedFunc(slices.Values(all), func(a, b result) int { return cmp.Compare(a.cpu, b.cpu) })
	m := byCost[len(all)/2]
	m.lost, m.received = byLoss[len(all)/2].lost, byLoss[len(all)/2].received
	return m
}

// play sends the capture while a reader captures.
func (c *cable) play(capture *blast.Capture, rate float64, r reader) (result, error) {
	p, err := c.start(r)
	if err != nil {
		return result{}, err
	}
	defer p.kill()
	if err = p.settle(); err != nil {
		return result{}, err
	}
	before, err := c.arrived()
	if err != nil {
		return result{}, err
	}
	begin, err := p.cpu()
	if err != nil {
		return result{}, err
	}
	sent, err := c.send(capture, rate)
	if err != nil {
		return result{}, err
	}
	if err = p.settle(); err != nil {
		return result{}, err
	}
	end, err := p.cpu()
	if err != nil {
		return result{}, err
	}
	after, err := c.arrived()
	if err != nil {
		return result{}, err
	}
	if after-before != sent.Frames {
		return result{}, fmt.Errorf("%d frames were sent, and %d came out of the cable", sent.Frames, after-before)
	}
	received, lost, err := p.stop()
	if err != nil {
		return result{}, err
	}
	if received+lost > sent.Frames || received+lost < sent.Frames && !r.filters {
		return result{}, fmt.Errorf("%s: %d frames were sent, it says %d received and %d lost", r.name, sent.Frames, received, lost)
	}
	return result{sent: sent.Frames, received: received, lost: lost, rate: sent.Rate(), cpu: end - begin}, nil
}

// highest returns the highest rate at which a reader loses nothing in all
// runs: the sender's best, or as much less as it takes.
func (c *cable) highest(stderr io.Writer, capture *blast.Capture, r reader, runs int) (float64, error) {
	const step, lowest = 0.9, 1000
	for rate := 0.0; ; rate *= step {
		var most float64
		lost := int64(0)
		for range runs {
			one, err := c.play(capture, rate, r)
			if err != nil {
				return 0, err
			}
			fmt.Fprintf(stderr, "highest rate: %s: %v\n", r.name, one) //nolint:errcheck // what it is doing
			most = max(most, one.rate)
			if lost += one.lost; lost > 0 {
				break
			}
		}
		switch {
		case lost == 0:
			return rate, nil
		case rate == 0:
			rate = most
		case rate < lowest:
			return 0, fmt.Errorf("%s loses frames at %.0f a second", r.name, rate)
		}
	}
}
