package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wormscope/capture"
	"wormscope/capture/doctor"
	"wormscope/capture/ring"
	"wormscope/detect/zone"
)

// doctorSetting has the flags of doctor alone.
type doctorSetting struct {
	iface    string
	duration time.Duration
	json     bool
}

func newDoctor(std streams) *cobra.Command {
	var flags flagValues
	var own doctorSetting
	var ifaces []string // as live has them, so that a second one is refused and not taken for the first
	cmd := &cobra.Command{
		Use:   "doctor -i IFACE",
		Short: "Say whether an interface is fit to watch, and what is wrong with the mirror",
		Long: `Doctor looks at an interface and listens for some seconds, and says what weakens
a sensor there and what to do about it: offloads, rings, drops, a mirror that
shows one direction, or each packet twice, VLANs, tunnels, what can't be read,
the clock. It sends nothing and changes nothing. It needs the right to capture:
root, or CAP_NET_RAW.`,
		Example: `  wormscope doctor -i eth1
  wormscope doctor -i eth1 --duration 1m --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return usagef("doctor takes no argument %q: name an interface with -i", args[0])
			case len(ifaces) == 0:
				return usagef("doctor needs an interface: -i IFACE")
			case len(ifaces) > 1:
				return usagef("doctor looks at one interface at a time: name one with -i")
			case own.duration <= 0 || own.duration > time.Hour:
				return usagef("--duration %v: want more than nothing, and an hour at the most", own.duration)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.settings()
			if err != nil {
				return err
			}
			own.iface = ifaces[0]
			return examine(cmd.Context(), &s, &own, std)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&ifaces, "interface", "i", nil, "look at this `IFACE`")
	offerInterfaces(cmd)
	f.DurationVar(&own.duration, "duration", 10*time.Second, "listen for this `TIME`")
	f.BoolVar(&own.json, "json", false, "write the findings as a JSON document")
	flags.addNetworkFlags(cmd)
	return cmd
}

// doctorRing is the size of the ring that doctor listens with; live's is larger.
const (
	doctorBlocks = 64
	liveRing     = ring.DefaultBlocks * ring.DefaultBlockSize
)

// examine looks at the interface, listens, and writes what it found.
func examine(ctx context.Context, s *settings, own *doctorSetting, std streams) error {
	zones, err := zone.New(s.Internal, s.Zones)
	if err != nil {
		return err
	}
	link, err := doctor.Inspect(own.iface)
	if err != nil {
		return err
	}
	report := doctor.Report{Version: 1, Interface: own.iface}
	var heard []doctor.Finding
	if link.Up {
		traffic := doctor.NewTraffic(link.MAC, zones.Inside)
		clock := stamps{limit: maxStamps}
		begun := time.Now()
		loss, err := overhear(ctx, own, traffic, &clock)
		if err != nil {
			return err
		}
		report.Seconds = time.Since(begun).Seconds()
		link.Losses = loss.Losses
		heard = append(traffic.Findings(own.iface, loss), clock.clock().Finding())
	}
	report.Findings = append(link.Findings(), heard...)
	if !own.json {
		return report.WriteText(std.out)
	}
	enc := json.NewEncoder(std.out)
	enc.SetIndent("", "  ")
	return enc.Encode(&report)
}

// overhear listens until the time is over, or a signal comes.
func overhear(ctx context.Context, own *doctorSetting, traffic *doctor.Traffic, clock *stamps) (loss doctor.Loss, err error) {
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer cancel()
	options := ring.Options{Interfaces: []string{own.iface}, Blocks: doctorBlocks}
	source, err := ring.Open(options)
	if err != nil {
		loss.NoPromiscuous, options.NoPromiscuous = err, true
		if source, err = ring.Open(options); err != nil {
			return loss, err
		}
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	end := time.AfterFunc(own.duration, source.Stop)
	defer end.Stop()
	stop := context.AfterFunc(ctx, source.Stop)
	defer stop()
	var frame capture.Frame
	for {
		err := source.Next(&frame)
		switch {
		case errors.Is(err, io.EOF):
			total := source.Stats().Total()
			loss.Dropped, loss.Freezes, loss.Losses, loss.Ring = total.Dropped, total.Freezes, total.Losses, liveRing
			return loss, nil
		case errors.Is(err, capture.ErrIdle):
			continue
		case err != nil:
			return loss, err
		}
		clock.see(frame.Time)
		traffic.Frame(&frame)
	}
}

// stamps compares the times of frames with the wall clock.
type stamps struct {
	limit  int
	behind []time.Duration
	ahead  uint64
}

// maxStamps bounds how many frames have their times compared with the clock.
const maxStamps = 1 << 14

func (s *stamps) see(at int64) {
	const tolerance = 10 * time.Millisecond
	if len(s.behind) >= s.limit {
		return
	}
	d := time.Since(time.Unix(0, at))
	s.behind = append(s.behind, d)
	if d < -tolerance {
		s.ahead++
	}
}

// clock sums up what the comparison has shown.
func (s *stamps) clock() *doctor.Clock {
	known, synchronised := clockState()
	c := &doctor.Clock{Known: known, Synchronised: synchronised, Ahead: s.ahead, Frames: uint64(len(s.behind))}
	if len(s.behind) > 0 {
		slices.Sort(s.behind)
		c.Behind = s.behind[len(s.behind)/2]
	}
	return c
}
