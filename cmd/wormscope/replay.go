package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// errStopped says that a signal ended a replay early.
var errStopped = errors.New("stopped by a signal before the end of the capture")

func newReplay(std streams) *cobra.Command {
	var flags flagValues
	var drainTimeout time.Duration
	cmd := &cobra.Command{
		Use:   "replay [flags] CAPTURE...",
		Short: "Read captures and say who is affected",
		Long: `Replay reads captures and says who is affected: who scans, who asked for or
contacted a known-bad name or address, who exposes port 445, and what to do.

A CAPTURE is a file (pcap or pcapng, plain or packed with gzip, zstd or lz4), a
folder of them, or - for standard input. Several are read in the order of time.
Nothing has to be configured.`,
		Example: `  wormscope replay incident.pcap
  wormscope replay --feed indicators.csv --zone office=10.10.0.0/16 --scope scope.json captures/
  tcpdump -i eth1 -w - | wormscope replay --alerts alerts.json -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("replay needs a capture: a file, a folder, or - for standard input")
			}
			if at := slices.Index(args, "-"); at >= 0 && slices.Contains(args[at+1:], "-") {
				return usagef("standard input is named twice")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := flags.settings()
			if err != nil {
				return err
			}
			if s.unparsed != nil {
				return s.unparsed
			}
			if drainTimeout < 0 {
				return usagef("--drain-timeout %v: must not be negative", drainTimeout)
			}
			s.drainTimeout = drainTimeout
			return replay(cmd.Context(), &s, args, std)
		},
	}
	flags.addFlags(cmd)
	cmd.Flags().DurationVar(&drainTimeout, "drain-timeout", 0, "wait no longer than this `TIME` for sinks, at the end (default as long as it takes), and for one that takes nothing while the outbox is full (default 5m)")
	return cmd
}

// replay reads the captures and writes what the settings ask for.
func replay(ctx context.Context, s *settings, paths []string, std streams) (err error) {
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, func() { endAtNext(cancel) })
	outliveReaders()
	askForHugePages()
	source, err := openCaptures(ctx, paths, std.in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	out, err := openEvents(&s.Alerts, std.out, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	out.alone = s.eventsOnly()
	if err = cmp.Or(writable("scope", s.Scope), writable("report", s.Report)); err != nil {
		return err
	}
	keep, err := openState(s, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keep.close()) }()
	set, err := loadFeeds(ctx, s, std) // after the state, which may remember what is allowed
	if err != nil {
		return err
	}
	out.sinks, err = openDelivery(s, keep, out, deliveryOptions{
		stop: ctx.Done(), warn: func(line string) { std.report("warning: %s", line) },
	})
	if err != nil {
		return err
	}
	p, err := newPipeline(s, set, out, keep, source.Name)
	if err != nil {
		return err
	}
	stopped := p.watch(source, std) // by a signal or a fault: what was found by then is told
	if errors.Is(stopped, errUnread) {
		stopped = nil // the event file says so when it is closed
	}
	if err = p.finish(source); stopped == nil {
		stopped = err
	}
	seen := sightOf(source.Reader)
	err = errors.Join(p.conclude(s, &seen, stopped, std), stopped)
	return errors.Join(err, p.drain(ctx, s.drainTimeout, std), out.sinks.shortfall())
}

// drain waits until the sinks have everything, and shows on a terminal how much waits.
func (p *pipeline) drain(ctx context.Context, atMost time.Duration, std streams) error {
	wait := newWaiting(std.err)
	defer wait.close()
	return p.events.sinks.drain(ctx, atMost, wait.show)
}

// watch runs the pipeline, shows progress and heeds signals: interrupt and
// terminate end it after the packets that were read, hang-up reopens the event
// file.
func (p *pipeline) watch(from *captures, std streams) error {
	reopen := make(chan os.Signal, 1)
	signal.Notify(reopen, syscall.SIGHUP)
	defer signal.Stop(reopen)
	bar := newProgress(std.err, from.Size())
	defer bar.close()
	memory := newCollector()
	var frames source = from
	if from.piped() {
		ticker := time.NewTicker(pipeIdle)
		defer ticker.Stop()
		piped := newPipe(from.Reader, ticker.C)
		defer func() { from.stop(); piped.settle() }()
		frames = piped
	}
	return orStopped(from.until, p.run(frames, func() error {
		bar.show(from.Consumed())
		memory.adjust()
		select {
		case <-from.until.Done():
			return errStopped
		case <-reopen:
			return p.events.reopen()
		default:
			return p.events.checkReader(func(line string) { std.report("warning: %s", line) })
		}
	}))
}

// conclude writes the scope: as text, and as a document and a report if that is
// asked for.
func (p *pipeline) conclude(s *settings, seen *sight, stopped error, std streams) error {
	about := p.summary(seen)
	if stopped != nil {
		about.Warnings = append(about.Warnings, stopped.Error())
	}
	for _, w := range about.Warnings {
		std.report("warning: %s", w)
	}
	if p.state == nil {
		return conclude(s, p.ledger, about, std)
	}
	// The scope is that of the whole state folder, the same that the report command
	// prints.
	if err := p.state.finish(seen, about.Warnings); err != nil {
		return errors.Join(err, conclude(s, p.ledger, about, std)) // what this run found is not lost
	}
	ledger, all, err := storedLedger(p.state.store, s, p.zones)
	if err != nil {
		return err
	}
	return conclude(s, ledger, all, std)
}
