package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"wormscope/ioc"
)

const (
	// debounce is how long the folders of feeds must be quiet before feeds are
	// read anew: files are often written in pieces, and several together.
	debounce = 2 * time.Second
	// longest is how long it may take at most until they are quiet.
	longest = 30 * time.Second
	// patience is how many times a feed that changes while it is read is tried.
	patience = 3
)

// A renewal asks for feeds to be read anew.
type renewal struct {
	asked bool // by hang-up: the configuration is, too
}

// renewFeeds reads feeds anew whenever it is asked to.
func (l *liveRun) renewFeeds(ctx context.Context, renew <-chan renewal, read func() (settings, error)) {
	given, err := untilDone(ctx, read)
	if err != nil { // it was read a moment ago
		given = *l.s
	}
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-renew:
			if r.asked {
				l.renewAll(ctx, &given, read)
			} else {
				l.renewOnce(ctx, l.keeper.s)
			}
		}
	}
}

// renewAll reads the configuration anew, and the feeds that it names. given is what the
// configuration was at the start.
func (l *liveRun) renewAll(ctx context.Context, given *settings, read func() (settings, error)) {
	l.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	use := l.keeper.s
	s, wrong := untilDone(ctx, read)
	if ctx.Err() != nil {
		return
	}
	if wrong != nil {
		l.log.Error("the new configuration is wrong, the old one stays", zap.Error(l.s.Live.outOfReach(wrong)))
	} else {
		l.tellFixed(given, &s)
		if s.Allow.Indicators == nil && given.Allow.Indicators == nil {
			s.Allow.Indicators = l.s.Allow.Indicators // which the state folder remembers
		}
		use = &s
	}
	if used := l.renewOnce(ctx, use); ctx.Err() == nil {
		l.keeper.noteConfig(used && wrong == nil)
	}
	l.notify(daemon.SdNotifyReady)
}

// untilDone reads the settings, which may take long where they are in a pipe, or fails
// once ctx is done.
func untilDone(ctx context.Context, read func() (settings, error)) (settings, error) {
	var s settings
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err = read()
	}()
	select {
	case <-done:
		return s, err
	case <-ctx.Done():
		return settings{}, ctx.Err()
	}
}

// outOfReach explains an error that the sandbox may be the cause of.
func (v *liveSetting) outOfReach(err error) error {
	if v.NoSandbox || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w (in the sandbox only the folders can be used that were named, and there, at the start: start again, or with --no-sandbox)", err)
}

// renewOnce reads the feeds of s anew and hands them to the capture loop. It reports
// whether they are used.
func (l *liveRun) renewOnce(ctx context.Context, s *settings) bool {
	begin := time.Now()
	r, err := l.keeper.reread(ctx, s, l.log)
	for try := 1; errors.Is(err, errChanged) && try < patience; try++ {
		r, err = l.keeper.reread(ctx, s, l.log)
	}
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		l.log.Error("feeds can't be renewed, the old ones stay", zap.Error(err))
		return false
	}
	// What is new must pass the kernel and the shards before it is looked for.
	l.setKernelFilter(r.set)
	l.shards.use(r.set)
	swap := &feedSwap{r.set, make(chan struct{})}
	select {
	case <-ctx.Done():
		return false
	case l.swaps <- swap:
	}
	<-swap.used
	l.keeper.use(r)
	counts := r.set.Counts()
	l.log.Info("feeds renewed", zap.Int("files", len(r.files)), zap.Uint64("refused", r.refused),
		zap.Int("names", counts.Names), zap.Int("addresses", counts.Addresses), zap.Int("networks", counts.Networks),
		zap.Duration("took", time.Since(begin)))
	r.old, r.b = nil, nil
	debug.FreeOSMemory() // the old set is as large as the new one
	return true
}

// tellFixed warns of changed settings that take effect only at the next start.
func (l *liveRun) tellFixed(was, is *settings) {
	a, b := reflect.ValueOf(was).Elem(), reflect.ValueOf(is).Elem()
	for i := range a.NumField() {
		field := a.Type().Field(i)
		name := field.Tag.Get("yaml")
		if name == "" || name == "feeds" || name == "builtin" || name == "allow" {
			continue
		}
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			l.log.Warn("a setting changed that holds until the next start", zap.String("setting", name))
		}
	}
	if !slices.Equal(was.Allow.Scanners, is.Allow.Scanners) {
		l.log.Warn("a setting changed that holds until the next start", zap.String("setting", "allow.scanners"))
	}
}

// watchFeeds begins to watch the folders of feeds; watchFolders reads what the
// watcher reports. Folders are watched, not files, which most programs replace. It
// warns and returns nil where the system can't watch.
func watchFeeds(s *settings, log *zap.Logger) *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("feeds are not watched: they are read anew on hang-up only", zap.Error(err))
		return nil
	}
	watchAgain(w, s.feedFolders(), log)
	return w
}

// watchFolders asks for feeds to be read anew when something changes in their
// folders. w must have watched these since before the feeds were read.
func (k *feedKeeper) watchFolders(ctx context.Context, w *fsnotify.Watcher, log *zap.Logger, renew chan renewal) {
	if w == nil {
		return
	}
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	var first time.Time // something changed that was not looked at yet
	changed := func() {
		if first.IsZero() {
			first = time.Now()
		}
		quiet.Reset(max(min(debounce, longest-time.Since(first)), 0))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.Events:
			if e.Op != fsnotify.Chmod && k.concerns(e.Name) {
				changed()
			}
		case err := <-w.Errors:
			log.Warn("watching feeds", zap.Error(err))
			changed()
		case <-quiet.C:
			first = time.Time{}
			watchAgain(w, k.folders(), log)
			ask(renew, renewal{})
		}
	}
}

// watchAgain watches those of the folders that exist now.
func watchAgain(w *fsnotify.Watcher, folders []string, log *zap.Logger) {
	for _, folder := range folders {
		if err := w.Add(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			log.Warn("a folder of feeds is not watched", zap.String("folder", folder), zap.Error(err))
		}
	}
}

// setIndicators uses another set from now on. It is called from the goroutine
// that runs the pipeline.
func (p *pipeline) setIndicators(set *ioc.Set) {
	now := p.engine.Now()
	p.lookups.SetIndicators(set, now)
	p.contacts.SetIndicators(set, now)
	p.set = set
	p.engine.Refresh()
}
