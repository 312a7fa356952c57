package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"wormscope/capture/ring"
	"wormscope/internal/plural"
	"wormscope/ioc"
)

// liveSetting has the settings that only live runs have.
type liveSetting struct {
	Interfaces    []string      `yaml:"interfaces"`     // to capture from
	RingMB        float64       `yaml:"ring_mb"`        // ring of each interface, MiB; 0 for 256
	Rings         int           `yaml:"rings"`          // of each interface, each read by a core; 0 for 1
	NoPromiscuous bool          `yaml:"no_promiscuous"` // leave the interfaces in the mode they are in
	User          string        `yaml:"user"`           // who to become when the rings are open
	Group         string        `yaml:"group"`          // its group, the user's own if empty
	NoSandbox     bool          `yaml:"no_sandbox"`     // run without Landlock, and as root if need be
	Libpcap       bool          `yaml:"libpcap"`        // capture with libpcap instead of the ring
	KernelFilter  bool          `yaml:"kernel_filter"`  // have the kernel drop what no detector needs
	OwnTraffic    bool          `yaml:"own_traffic"`    // report look-ups and contacts of this machine, too
	Duration      time.Duration `yaml:"duration"`       // after which it stops; 0 for never
	Count         uint64        `yaml:"count"`          // packets after which it stops; 0 for never
}

// addFlags adds the flags of live alone.
func (v *liveSetting) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&v.Interfaces, "interface", "i", nil, "capture from this `IFACE`, repeatable")
	offerInterfaces(cmd)
	f.Float64Var(&v.RingMB, "ring-mb", 0, "size of each interface's ring in `MIB` (default 256)")
	f.IntVar(&v.Rings, "rings", 0, "share each interface among `N` rings, each read by a core of its own (default 1)")
	f.BoolVar(&v.NoPromiscuous, "no-promiscuous", false, "leave the interfaces in the mode they are in")
	f.StringVar(&v.User, "user", "", "become this `USER` when the interfaces are open")
	f.StringVar(&v.Group, "group", "", "be in this `GROUP` alone as the user of --user (default the user's groups)")
	f.BoolVar(&v.NoSandbox, "no-sandbox", false, "run without Landlock, and as root if need be")
	f.BoolVar(&v.OwnTraffic, "own-traffic", false, "tell of look-ups and contacts of this machine itself, too")
	f.BoolVar(&v.Libpcap, "libpcap", false, "capture with libpcap, which takes all of tcpdump's syntax for --filter (a build with -tags libpcap)")
	f.BoolVar(&v.KernelFilter, "kernel-filter", false, "have the kernel drop what no detector needs (see filter.md)")
	f.DurationVar(&v.Duration, "duration", 0, "stop after this `TIME`")
	f.Uint64Var(&v.Count, "count", 0, "stop after `N` packets")
}

// offerInterfaces has shells complete --interface by the interfaces that there are.
func offerInterfaces(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("interface", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		all, _ := net.Interfaces() // none where they are not known
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].Name
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}) // it fails only for a flag that is not there
}

// override replaces settings of the file by those of the flags. given reports whether a
// flag was given.
func (v *liveSetting) override(s *liveSetting, given func(flag string) bool) {
	if len(v.Interfaces) > 0 {
		s.Interfaces = v.Interfaces
	}
	flagOver(given("ring-mb"), v.RingMB, &s.RingMB)
	flagOver(given("rings"), v.Rings, &s.Rings)
	flagOver(given("user"), v.User, &s.User)
	flagOver(given("group"), v.Group, &s.Group)
	flagOver(given("no-promiscuous"), v.NoPromiscuous, &s.NoPromiscuous)
	flagOver(given("no-sandbox"), v.NoSandbox, &s.NoSandbox)
	flagOver(given("libpcap"), v.Libpcap, &s.Libpcap)
	flagOver(given("kernel-filter"), v.KernelFilter, &s.KernelFilter)
	flagOver(given("own-traffic"), v.OwnTraffic, &s.OwnTraffic)
	flagOver(given("duration"), v.Duration, &s.Duration)
	flagOver(given("count"), v.Count, &s.Count)
}

// check refuses what makes no sense before anything is opened.
func (v *liveSetting) check() error {
	if len(v.Interfaces) == 0 {
		return usageError{errNoInterface}
	}
	return v.checkValues()
}

// blameLive returns an error about what live is told, which blames the configuration
// file unless the flags alone are wrong, or no interface is named.
func (v *flagValues) blameLive(err error) error {
	if err == nil || v.config == "" || errors.Is(err, errNoInterface) || v.live.checkValues() != nil {
		return err
	}
	return fmt.Errorf("configuration %s: live: %s", v.config, err.Error()) // no usageError any more
}

// errNoInterface says that live does not know what to watch.
var errNoInterface = errors.New("live needs an interface: -i IFACE, or live.interfaces in the configuration")

// checkValues refuses values that make no sense.
func (v *liveSetting) checkValues() error {
	for i, name := range v.Interfaces {
		if slices.Contains(v.Interfaces[:i], name) {
			return usagef("interface %s is named twice", name)
		}
	}
	switch {
	case v.RingMB != 0 && !isRingSize(v.RingMB):
		return usagef("--ring-mb %g: a ring has %g to %d MiB", v.RingMB, minRingMB, maxRingMB)
	case v.Rings < 0 || v.Rings > maxRings:
		return usagef("--rings %d: an interface has 1 to %d rings", v.Rings, maxRings)
	case v.Rings > 1 && v.throughLibpcap():
		return usagef("--rings %d: libpcap has no rings", v.Rings)
	case v.Rings > 1 && v.Count > 0:
		return usagef("--count needs a single ring: leave out --rings")
	case v.Duration < 0:
		return usagef("--duration %v: must not be negative", v.Duration)
	case v.Group != "" && v.User == "":
		return usagef("--group needs --user")
	}
	return v.checkLibpcap()
}

// asUser adds the user that the run changed to, if any, to errors that something is not
// permitted: whoever started it as root would not expect these.
func (v *liveSetting) asUser(err error) error {
	if v.User == "" || os.Geteuid() == 0 {
		return err
	}
	return eachOf(err, func(one error) error {
		if errors.Is(one, fs.ErrPermission) {
			return fmt.Errorf("%w (as user %s: see whose the folder is)", one, v.User)
		}
		return one
	})
}

func newLive(std streams) *cobra.Command {
	var own liveSetting
	flags := flagValues{live: &own}
	var status httpSetting
	cmd := &cobra.Command{
		Use:   "live [flags] -i IFACE...",
		Short: "Watch a span port or tap and say who is affected",
		Long: `Live watches what a span port or tap shows, until it is told to stop: who scans,
who asked for or contacted a known-bad name or address, who exposes port 445.
It only listens. It needs the right to capture: root, or CAP_NET_RAW, which it
gives away as soon as the interfaces are open.

Interrupt and terminate stop it: what was captured before is still examined, and
the scope is written. Hang-up reads feeds and configuration anew and reopens the
event file. A line of state a minute goes to standard error.`,
		Example: `  wormscope live -i eth1 --user wormscope --alerts /var/log/wormscope/alerts.json --state /var/lib/wormscope/state
  wormscope live -i eth1 -i eth2 --config /etc/wormscope/wormscope.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("live takes no argument %q: name an interface with -i", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			read := func() (settings, error) {
				s, err := flags.settings()
				status.override(&s.HTTP, flags.given)
				return s, cmp.Or(err, flags.blameLive(s.Live.check()), status.needed(s.HTTP.Listen), s.HTTP.refuse())
			}
			s, err := read()
			if err != nil {
				return err
			}
			said := newLateWriter(std.err)
			defer said.close()
			return s.Live.asUser(watchLive(cmd.Context(), &s, read, streams{std.in, std.out, said}))
		},
	}
	flags.addFlags(cmd)
	own.addFlags(cmd)
	status.addFlags(cmd)
	return cmd
}

// minRingBlock is the smallest block that a ring can have, in bytes.
const minRingBlock = 64 << 10

// How large the ring of an interface can be, MiB.
const (
	minRingMB = float64(minRingBlock) / (1 << 20)
	maxRingMB = 64 << 10
)

// isRingSize reports whether a ring can have that size, which it can't if that is NaN.
func isRingSize(mb float64) bool { return mb >= minRingMB && mb <= maxRingMB }

// maxRings is how many rings an interface can have: this many readers keep busy the one
// core that runs the detectors.
const maxRings = 16

// How long frames gather in a ring before it is looked at: too short to matter, and
// short enough that even 16 Gbit/s fill no more than half of the ring meanwhile. Where
// they keep the processor busy, they gather for gatherMost, as long as two thirds of
// the ring are free.
const (
	maxGather  = 60 * time.Millisecond
	gatherRate = 4 // bytes of the ring for each nanosecond
	gatherMost = 500 * time.Millisecond
)

// ringOptions says how to capture.
func (v *liveSetting) ringOptions(warn func(iface, text string)) ring.Options {
	rings := max(v.Rings, 1)
	size := int64(cmp.Or(v.RingMB, 256)*(1<<20)) / int64(rings)
	block := int64(ring.DefaultBlockSize)
	// The kernel hands a block over when its time-out is up, full or not. So at a low
	// rate, how long a ring lasts depends on its number of blocks.
	for n := rings; n > 1 && block > 2*minRingBlock; n /= 2 {
		block /= 2
	}
	for block > minRingBlock && size/block < 8 {
		block /= 2
	}
	o := ring.Options{
		Interfaces: v.Interfaces, BlockSize: int(block), Blocks: int(max(size/block, 1)), Fanout: rings,
		NoPromiscuous: v.NoPromiscuous, Warn: warn,
		Gather: min(maxGather, time.Duration(size/gatherRate)),
	}
	if rings > 1 {
		o.IdleAfter = idleShard
	} else {
		o.GatherMost = min(gatherMost, 9*o.Gather)
	}
	return o
}

// watchLive opens everything, gives up rights that are no longer needed, watches until
// it is stopped, and writes what the settings ask for. read reads the settings again.
func watchLive(ctx context.Context, s *settings, read func() (settings, error), std streams) (err error) {
	runtime.LockOSThread() // the kernel wakes one thread, which stays where its caches are
	defer runtime.UnlockOSThread()
	outliveReaders()
	askForHugePages()
	l := newLiveRun(s, std)
	signal.Notify(l.hangups, syscall.SIGHUP) // from here to the end, so that a hang-up never ends the program
	if err = l.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	status, err := openStatus(ctx, &s.HTTP, &l.board, l.certificateStale)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, status.close()) }()
	if err = confine(s); err != nil {
		return err
	}
	status.serve(l.statusFailed)
	out, err := openEvents(&s.Alerts, std.out, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	if err = cmp.Or(writable("scope", s.Scope), writable("report", s.Report)); err != nil {
		return err
	}
	keep, err := openState(s, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keep.close()) }()
	if l.watcher = watchFeeds(s, l.log); l.watcher != nil { // before they are read, so that no change is missed
		defer l.watcher.Close() //nolint:errcheck // only watched
	}
	feeds, err := newFeedKeeper(ctx, s, std) // after the state, which may remember what is allowed
	if err != nil {
		return err
	}
	if err = l.prepare(feeds.set, out, keep); err != nil {
		return err
	}
	stopped := l.watch(ctx, feeds, read) // even after an error, what was found before is written
	feeds.release()
	return errors.Join(l.conclude(stopped), stopped)
}

// open opens the interfaces and loads the kernel filter, which takes privileges.
func (l *liveRun) open() error {
	source, err := l.openSource(l.s.Live.ringOptions(l.interfaceSaid))
	if err != nil {
		return err
	}
	l.source = source
	l.loadKernelFilter()
	return nil
}

func (l *liveRun) close() error {
	l.closeKernelFilter()
	return l.source.Close()
}

// prepare sets the sinks, the pipeline and the kernel filter up for a live run.
func (l *liveRun) prepare(set *ioc.Set, out *events, keep *state) (err error) {
	if out.sinks, err = openDelivery(l.s, keep, out, deliveryOptions{live: true, warn: l.sinkSaid}); err != nil {
		return err
	}
	if l.p, err = newPipeline(l.s, set, out, keep, l.source.Name); err != nil {
		return err
	}
	out.alone = l.s.eventsOnly() && l.s.HTTP.Listen == ""
	l.p.slice = int64(slice)
	l.p.state.startWriter(out.paused)
	l.renewOwn()
	if l.inKernel {
		l.p.only = nil
	}
	l.setKernelFilter(set)
	if source, ok := l.source.(*ring.Source); ok && l.s.Live.Rings > 1 {
		l.shards = newShards(source, l.p, len(l.s.Live.Interfaces))
		l.p.merger = newMerger(l.shards)
	}
	return nil
}

// conclude ends what is open, and writes the last summary. stopped is the error that
// ended the run, nil if it was told to end.
func (l *liveRun) conclude(stopped error) error {
	l.source.Settle() // --count or an error ends it in the middle of a block
	if err := l.p.finish(l.source); err != nil {
		l.log.Warn("events", zap.Error(err))
	}
	l.p.state.stopWriter()
	if err := l.p.events.sinks.drain(context.Background(), lastDelivery, func(int) {}); err != nil {
		l.log.Warn(err.Error())
	}
	l.publish(time.Now())
	l.say()
	seen := l.sight()
	return l.p.conclude(l.s, &seen, stopped, l.std)
}

// lastDelivery is how long sinks have for the last events. With a state folder the next
// run delivers those that they did not take.
const lastDelivery = 5 * time.Second

// sinkSaid logs a warning of the outbox.
func (l *liveRun) sinkSaid(line string) { l.log.Warn(escaped(line)) }

// atFirst returns what to warn of where an interface was down when the run began. Then
// it has come back once more often than it was lost, or has yet to.
func atFirst(f *ring.Interface) string {
	switch {
	case f.Up && f.Returns <= f.Losses, !f.Up && f.Returns < f.Losses:
		return ""
	case f.Returns == 0:
		return "was down all the time: nothing was seen there"
	}
	return "was down at first: what came then was not seen"
}

// sight returns what was seen of the interfaces.
func (l *liveRun) sight() sight {
	var v sight
	for i, f := range l.source.Stats().Interfaces {
		v.add(f.Name, fileStats(&f))
		if text := atFirst(&f); text != "" {
			v.warnings = append(v.warnings, "interface "+f.Name+" "+text)
		}
		if f.Losses > 0 {
			v.warnings = append(v.warnings, fmt.Sprintf("interface %s went away or down %s: what came meanwhile was not seen", f.Name, plural.Count(f.Losses, "time", "times")))
		}
		l.p.state.named(i, fmt.Sprintf("live %s %d", f.Name, l.started.UnixNano()))
	}
	if l.filtered.Load() {
		v.warnings = append(v.warnings, "the kernel filter was on: packets and bytes are those that it let through")
	}
	if n := l.p.held; n > 0 {
		v.warnings = append(v.warnings, plural.Count(n, "look-up or contact of this machine itself is", "look-ups and contacts of this machine itself are")+" not told (see --own-traffic)")
	}
	return v
}
