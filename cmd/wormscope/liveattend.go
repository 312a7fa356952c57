package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"wormscope/internal/plural"
)

// newLogger makes the log of a run's operation: lines on standard error.
func newLogger(w io.Writer) *zap.Logger {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339TimeEncoder
	cfg.CallerKey, cfg.StacktraceKey = "", ""
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(cfg), zapcore.Lock(zapcore.AddSync(logLines{w})), zap.InfoLevel))
}

// logLines writes each line of the log as escaped writes text: names of files and what
// is in feeds stand in it, and zap escapes less, in messages nothing.
type logLines struct{ to io.Writer }

// Write takes one line.
func (l logLines) Write(p []byte) (int, error) {
	fields := strings.Split(strings.TrimSuffix(string(p), "\n"), "\t")
	for i := range fields {
		fields[i] = escaped(fields[i])
	}
	_, err := io.WriteString(l.to, strings.Join(fields, "\t")+"\n")
	return len(p), err
}

// attend starts what goes on beside the capture loop: signals, the end of the run, the
// log line of every minute, the watchdog, and the renewal of feeds.
func (l *liveRun) attend(ctx context.Context, read func() (settings, error)) *sync.WaitGroup {
	var all sync.WaitGroup
	renew := make(chan renewal, 1)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	all.Go(func() {
		l.obey(ctx, signals, renew)
		endAtNext(func() { signal.Stop(signals) })
	})
	all.Go(func() { l.renewFeeds(ctx, renew, read) })
	all.Go(func() { l.keeper.watchFolders(ctx, l.watcher, l.log, renew) })
	all.Go(func() { l.tell(ctx) })
	if l.p.events.file != nil {
		all.Go(func() { l.watchFile(ctx) })
	}
	if every, err := daemon.SdWatchdogEnabled(false); err == nil && every > 0 {
		all.Go(func() { l.feedWatchdog(ctx, every) })
	}
	l.notify(daemon.SdNotifyReady)
	l.log.Info("capturing", zap.Strings("interfaces", l.s.Live.Interfaces))
	return &all
}

// obey stops the run at a signal or when its time is over, and handles hang-ups.
func (l *liveRun) obey(ctx context.Context, signals <-chan os.Signal, renew chan renewal) {
	var over <-chan time.Time
	if d := l.s.Live.Duration; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			l.source.Stop()
			return
		case <-over:
			l.log.Info("the time is over")
			l.source.Stop()
			return
		case sig := <-signals:
			l.log.Info("stopping", zap.String("signal", sig.String()))
			l.source.Stop()
			return
		case <-l.hangups:
			l.reopen()
			ask(renew, renewal{asked: true})
		}
	}
}

// reopen reopens the event file, which may have been renamed. It does not wait for feeds
// that are being read.
func (l *liveRun) reopen() {
	if err := l.p.events.reopen(); err != nil {
		l.log.Error("the event file can't be reopened; events wait", zap.Error(l.s.Live.outOfReach(err)))
	}
}

// ask requests that feeds are read again, unless such a request is pending. The request
// of a hang-up replaces that of a changed folder, since it asks for more.
func ask(renew chan renewal, r renewal) {
	for {
		select {
		case renew <- r:
			return
		default:
		}
		if !r.asked {
			return
		}
		select {
		case <-renew:
		default:
		}
	}
}

// watchFile reports errors of writing the event file even while no events come.
func (l *liveRun) watchFile(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := l.p.events.file.Err(); err != nil {
				l.faults.note("events", l.s.Live.outOfReach(err))
			}
			l.faults.say(l.log, now)
		}
	}
}

// stateEvery is how often a line of state is written.
const stateEvery = time.Minute

// tell logs a line of state every minute.
func (l *liveRun) tell(ctx context.Context) {
	ticker := time.NewTicker(stateEvery)
	defer ticker.Stop()
	last, quiet := l.board.snapshot(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := l.board.snapshot()
		l.line(last, now)
		quiet = l.remark(last, now, quiet)
		last = now
	}
}

// remark warns if nothing at all came since the snapshot before, once for as long as
// that lasts: a mirror that was never set up looks like a quiet network. With a filter
// that may be right. It returns whether nothing came.
func (l *liveRun) remark(before, now *snapshot, quiet bool) bool {
	if now.Frames > before.Frames || l.s.Filter != "" || l.s.Live.KernelFilter {
		return false
	}
	if !quiet {
		l.log.Warn("nothing comes: see whether the mirror is set up and sends to this port (wormscope doctor -i IFACE)", zap.Strings("interfaces", l.s.Live.Interfaces))
	}
	return true
}

// say logs the line of state of the whole run.
func (l *liveRun) say() {
	l.line(&snapshot{At: l.started}, l.board.snapshot())
}

// line logs a line of state: what came since the snapshot before, and how the run is
// doing.
func (l *liveRun) line(before, now *snapshot) {
	var dropped, wasDropped uint64
	use := 0
	for i := range now.Interfaces {
		f := &now.Interfaces[i]
		dropped += f.Dropped
		use = max(use, 100*f.InUse/max(f.Blocks, 1))
		if i < len(before.Interfaces) {
			wasDropped += before.Interfaces[i].Dropped
		}
	}
	seconds := max(now.At.Sub(before.At).Seconds(), 1e-3)
	rate := float64(now.Frames-before.Frames) / seconds
	var alerts uint64
	for _, n := range now.Alerts {
		alerts += n
	}
	fields := []zap.Field{
		zap.Float64("packets_per_s", float64(int(rate*10))/10),
		zap.Float64("mbit_per_s", float64(int(float64(now.Bytes-before.Bytes)*8/seconds/1e5))/10),
		zap.Uint64("packets", now.Frames), zap.Uint64("dropped", dropped), zap.Uint64("dropped_new", dropped-wasDropped),
		zap.Int("ring_use_percent", use), zap.Uint64("alerts", alerts),
		zap.Int("infected", now.Hosts["infected"]), zap.Int("suspected", now.Hosts["suspected"]),
		zap.Int("targeted", now.Hosts["targeted"]), zap.Int("exposed", now.Hosts["exposed"]),
		zap.Uint64("memory_mb", now.Memory.Resident>>20), zap.Int("goroutines", now.Memory.Goroutines),
		zap.Uint64("events", now.Events.Events),
		zap.Uint64("events_lost", now.Events.Lost),
	}
	if o := now.Outbox; o != nil {
		waiting := 0
		for i := range o.Sinks {
			waiting += o.Sinks[i].Waiting
		}
		fields = append(fields, zap.Int("sinks_waiting", waiting), zap.Uint64("sinks_lost", o.Lost))
	}
	if dropped > wasDropped {
		l.log.Warn("state", fields...)
	} else {
		l.log.Info("state", fields...)
	}
	l.notify(fmt.Sprintf("STATUS=%.0f packets/s, %d dropped, %s, %s infected", rate, dropped, plural.Count(alerts, "alert", "alerts"), plural.Count(now.Hosts["infected"], "host", "hosts")))
}

func (l *liveRun) notifyStopping() { l.notify(daemon.SdNotifyStopping) }

// feedWatchdog tells the service manager that the run is alive, as long as the capture
// loop turns.
func (l *liveRun) feedWatchdog(ctx context.Context, limit time.Duration) {
	ticker := time.NewTicker(limit / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if time.Since(l.board.lastTurn()) < limit {
			l.notify(daemon.SdNotifyWatchdog)
		}
	}
}
