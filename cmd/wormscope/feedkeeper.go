package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"wormscope/internal/plural"
	"wormscope/ioc"
	"wormscope/ioc/feed"
)

// A feedKeeper renews the indicators of a live run. When a feed is read anew and is
// unusable (empty, unreadable, much smaller), what was last read of it stays in use.
type feedKeeper struct {
	mu       sync.Mutex
	s        *settings // which feeds there are
	set      *ioc.Set  // in use
	files    map[string]feedSnapshot
	reloads  uint64
	reloaded time.Time

	configured time.Time // when the settings in force were read
	misread    bool      // when they were read again, they were unusable
}

// A feedSwap hands a new set to the capture loop, which closes used when it
// has taken it.
type feedSwap struct {
	set  *ioc.Set
	used chan struct{}
}

// errChanged says that a feed was written while it was read.
var errChanged = errors.New("a feed changed while it was read")

// newFeedKeeper reads the feeds for the first time. An unusable feed is an error
// then.
func newFeedKeeper(ctx context.Context, s *settings, std streams) (*feedKeeper, error) {
	set, reports, err := readFeeds(ctx, s, std)
	if err != nil {
		return nil, err
	}
	k := &feedKeeper{s: s, set: set, files: map[string]feedSnapshot{}, reloaded: time.Now()}
	k.configured = k.reloaded
	for _, r := range reports {
		for i := range r.Files {
			f := &r.Files[i]
			k.files[f.Path] = feedSnapshot{Name: f.Feed, Path: f.Path, Entries: f.Total(), Spare: f.InOrder(), Loaded: k.reloaded}
		}
	}
	return k, nil
}

// release drops the set in use, so that its memory can be freed.
func (k *feedKeeper) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set = nil
}

// describe fills in what a snapshot says of feeds.
func (k *feedKeeper) describe(s *snapshot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(k.files)) {
		s.Feeds = append(s.Feeds, k.files[path])
	}
	s.Reloads, s.Reloaded = k.reloads, k.reloaded
	s.Configured, s.Misconfigured = k.configured, k.misread
}

// noteConfig notes whether the settings were usable when they were read again.
func (k *feedKeeper) noteConfig(used bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.misread = !used; used {
		k.configured = time.Now()
	}
}

// use makes what was read anew the set in use.
func (k *feedKeeper) use(r *rereading) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.s, k.set, k.files = r.s, r.set, r.files
	k.reloads++
	k.reloaded = time.Now()
}

// A rereading is one pass in which all feeds are read anew.
type rereading struct {
	s     *settings
	old   *ioc.Set
	known map[string]feedSnapshot
	log   *zap.Logger

	b       *ioc.Builder
	files   map[string]feedSnapshot
	set     *ioc.Set
	refused uint64
}

// reread reads the feeds of s anew.
func (k *feedKeeper) reread(ctx context.Context, s *settings, log *zap.Logger) (*rereading, error) {
	k.mu.Lock()
	r := &rereading{s: s, old: k.set, known: k.files, log: log, files: map[string]feedSnapshot{}}
	k.mu.Unlock()
	var err error
	if r.b, err = startSet(s); err != nil {
		return nil, err
	}
	for i := range s.Feeds {
		if err := r.feed(ctx, &s.Feeds[i]); err != nil {
			return nil, err
		}
	}
	for path, f := range r.known {
		if _, ok := r.files[path]; !ok && path != "" && f.inUse() {
			log.Info("feed withdrawn", zap.String("feed", path), zap.Int("entries", f.Entries))
		}
	}
	r.set = r.b.Build()
	return r, nil
}

// feed reads one feed of the settings, a file or a folder, anew.
func (r *rereading) feed(ctx context.Context, f *feedSetting) error {
	options, err := f.options()
	if err != nil {
		return fmt.Errorf("feed %s: %w", f.Path, err)
	}
	files, _, err := feed.Files(f.Path)
	if err != nil {
		return r.keepAll(f.Path, withoutFeed(err))
	}
	if len(files) == 0 {
		return r.keepAll(f.Path, feed.ErrNoEntries)
	}
	for _, path := range files {
		if err := r.file(ctx, path, options); err != nil {
			return err
		}
	}
	return nil
}

// file reads one file anew. It is read twice: first only to see whether it is
// usable, since what was added to a set can't be taken out of it.
func (r *rereading) file(ctx context.Context, path string, o feed.Options) error {
	trial, err := startSet(r.s)
	if err != nil {
		return err
	}
	o.Again = true
	report, err := feed.Load(ctx, trial, path, o)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	known, isKnown := r.known[path]
	tried, err := onlyFile(report, path, err)
	if err == nil || tried.InOrder() {
		err = shrunk(known.Entries, tried.Total()+tried.Allowed()) // what the user allows is not missing
	}
	err = withoutFeed(err)
	if err != nil && isKnown && known.Entries > 0 {
		return r.keep(path, known, err)
	}
	if err != nil { // a new file, and unusable
		r.refuseNew(path, tried.Feed, err)
		return nil
	}
	again, err := feed.Load(ctx, r.b, path, o)
	used, err := onlyFile(again, path, err)
	if err != nil && !used.InOrder() || used.Total() != tried.Total() {
		return fmt.Errorf("%s: %w", path, errChanged)
	}
	if tried.Total() == 0 && tried.Allowed() > 0 && known.Entries > 0 {
		r.log.Warn("nothing of the feed is in use any more: all of it is allowed", zap.String("feed", path), zap.Int("entries", tried.Allowed()))
	}
	r.files[path] = feedSnapshot{
		Name: tried.Feed, Path: path, Entries: tried.Total(), Spare: tried.InOrder(), Loaded: time.Now(), Refused: known.Refused,
	}
	return nil
}

// onlyFile returns the report of a file. There is none where it has gone since its
// folder was looked through, or was a link to nothing, or where a folder has taken its
// place: then what it returns has no entry, and the error says why.
func onlyFile(r *feed.Report, path string, err error) (*feed.FileReport, error) {
	if len(r.Files) == 1 && r.Files[0].Path == path {
		return &r.Files[0], err
	}
	return &feed.FileReport{Path: path, Feed: filepath.Base(path)}, cmp.Or(err, errChanged)
}

// withoutFeed returns what is wrong with a feed, without its path.
func withoutFeed(err error) error {
	if e, ok := errors.AsType[*feed.Error](err); ok {
		return e.Err
	}
	return err
}

// shrunk refuses a feed that has less than half as many entries as before.
func shrunk(was, is int) error {
	switch {
	case is == 0 && was > 0:
		return feed.ErrNoEntries
	case 2*is < was:
		return fmt.Errorf("%s, %d before: more than half are missing", plural.Count(is, "entry", "entries"), was)
	}
	return nil
}

// refuse notes that what was read is not used.
func (r *rereading) refuse(path string, why error) {
	r.refused++
	r.log.Warn("feed refused", zap.String("feed", path), zap.Error(r.s.Live.outOfReach(why)))
}

// refuseNew notes that what was read is not used, and nothing that was read before is.
func (r *rereading) refuseNew(path, name string, why error) {
	r.refuse(path, why)
	r.files[path] = feedSnapshot{Name: name, Path: path, Refused: r.known[path].Refused + 1, Reason: why.Error()}
}

// keep uses what was last read of a file.
func (r *rereading) keep(path string, known feedSnapshot, why error) error {
	r.refuse(path, why)
	r.log.Info("the last good feed stays in use", zap.String("feed", path), zap.Int("entries", known.Entries))
	known.Refused++
	known.Reason = why.Error()
	r.files[path] = known
	r.b.From(path)
	for i := range r.old.OfFile(path) {
		if err := r.b.Add(i); err != nil && !errors.Is(err, ioc.ErrAllowed) {
			return fmt.Errorf("feed %s: %w", path, err)
		}
	}
	return nil
}

// keepAll uses what was last read of all files of a feed.
func (r *rereading) keepAll(path string, why error) error {
	found := false
	for _, file := range slices.Sorted(maps.Keys(r.known)) {
		if isOfFeed(file, path) && r.known[file].inUse() {
			found = true
			if err := r.keep(file, r.known[file], why); err != nil {
				return err
			}
		}
	}
	if !found {
		r.refuseNew(path, filepath.Base(path), why)
	}
	return nil
}

// concerns reports whether a path is a feed, or in a folder of feeds.
func (k *feedKeeper) concerns(path string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.s.Feeds, func(f feedSetting) bool { return isOfFeed(path, f.Path) })
}

// isOfFeed reports whether a path is that of a feed, or in that folder of feeds,
// in whichever ways the two are written.
func isOfFeed(path, feed string) bool {
	rel, err := filepath.Rel(feed, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// folders returns the folders in which something changes when a feed does.
func (k *feedKeeper) folders() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.s.feedFolders()
}

// feedFolders returns the folders in which something changes when a feed does.
func (s *settings) feedFolders() []string {
	var all []string
	for i := range s.Feeds {
		files, folder, err := feed.Files(s.Feeds[i].Path)
		if folder {
			all = append(all, s.Feeds[i].Path)
		}
		if err != nil {
			all = append(all, filepath.Dir(s.Feeds[i].Path))
		}
		for _, f := range files {
			all = append(all, filepath.Dir(f))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
