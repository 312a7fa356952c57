package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"wormscope/internal/testnet"
	"wormscope/ioc"
)

// feedOf makes a list of n names.
func feedOf(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s%d.example\n", prefix, i)
	}
	return b.String()
}

func has(set *ioc.Set, name string) bool {
	_, ok := set.Name([]byte(name), 0)
	return ok
}

// TestFeedsAreRenewedOneByOne has feeds go wrong in every way between two
// readings: each that is of no use stays as it was, the others are renewed.
func TestFeedsAreRenewedOneByOne(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := settings{}
	for _, name := range []string{"grows", "shrinks", "half", "empties", "breaks", "vanishes"} {
		s.Feeds = append(s.Feeds, feedSetting{Path: write(name+".txt", feedOf(name, 10)+"shared.example\n")})
	}
	write("folder/stays.txt", feedOf("stays", 5))
	write("folder/removed.txt", feedOf("removed", 5)+"203.0.113.9\n")
	s.Feeds = append(s.Feeds, feedSetting{Path: folder})

	k := keeperOf(t, &s)
	write("grows.txt", feedOf("new", 30))
	write("shrinks.txt", feedOf("new-shrinks", 4))
	write("half.txt", feedOf("new-half", 6))
	write("empties.txt", "# nothing\n")
	write("breaks.txt", "\x00\x01\x02\x03 no feed \xff\xfe\n")
	if err := errors.Join(os.Remove(filepath.Join(dir, "vanishes.txt")), os.Remove(filepath.Join(folder, "removed.txt"))); err != nil {
		t.Fatal(err)
	}
	write("folder/added.txt", feedOf("added", 5))

	r, err := k.reread(t.Context(), &s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	k.use(r)
	for name, want := range map[string]bool{
		"grows0.example": false, "new29.example": true,
		"shrinks9.example": true, "new-shrinks0.example": false,
		"half0.example": false, "new-half5.example": true,
		"empties9.example": true, "breaks9.example": true, "vanishes9.example": true,
		"shared.example": true, // of those that stay
		"stays4.example": true, "removed0.example": false, "added0.example": true,
	} {
		if has(k.set, name) != want {
			t.Errorf("%s: in use %v", name, !want)
		}
	}
	if _, ok := k.set.Address(netip.MustParseAddrPort("203.0.113.9:80"), 0); ok {
		t.Error("an address of a file that was removed is in use")
	}
	var shown snapshot
	k.describe(&shown)
	entries, refused := map[string]int{}, uint64(0)
	for _, f := range shown.Feeds {
		entries[filepath.Base(f.Path)] = f.Entries
		refused += f.Refused
		if strings.Contains(f.Reason, dir) {
			t.Errorf("the reason %q repeats the path", f.Reason)
		}
	}
	if got := fmt.Sprint(entries); got != "map[added.txt:5 breaks.txt:11 empties.txt:11 grows.txt:30 half.txt:6 shrinks.txt:11 stays.txt:5 vanishes.txt:11]" {
		t.Error(got)
	}
	if refused != 4 || shown.Reloads != 1 {
		t.Errorf("%d refused in %d reloads", refused, shown.Reloads)
	}
	again(t, k, &s, write)
}

// TestFeedIsKeptByFile has two files of one name. One breaks, and what the other
// withdraws at that time is no longer used.
func TestFeedIsKeptByFile(t *testing.T) {
	dir := t.TempDir()
	write := func(folder, text string) {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, folder), 0o700), os.WriteFile(filepath.Join(dir, folder, "list.txt"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "of-a.example\nshared.example\n")
	write("b", "of-b.example\nshared.example\nwithdrawn.example\n")
	s := settings{Feeds: []feedSetting{{Path: dir}}}
	k := keeperOf(t, &s)
	write("a", "")
	write("b", "of-b.example\nshared.example\n")
	for range 2 { // the second time what is kept is that which was kept
		r, err := k.reread(t.Context(), &s, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		k.use(r)
		for name, want := range map[string]bool{
			"of-a.example": true, "of-b.example": true, "shared.example": true, "withdrawn.example": false,
		} {
			if has(k.set, name) != want {
				t.Errorf("%s: in use %v", name, !want)
			}
		}
	}
}

// TestFeedsChangeAtTheStart: a feed that changes when it has been read for the first
// time, and is not waited for yet, is read anew.
func TestFeedsChangeAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first.example\n")
	l := newLiveRun(&settings{Feeds: []feedSetting{{Path: path}}}, streams{err: io.Discard})
	l.watcher = watchFeeds(l.s, l.log)
	defer l.watcher.Close()
	var err error
	if l.keeper, err = newFeedKeeper(t.Context(), l.s, l.std); err != nil {
		t.Fatal(err)
	}
	write("first.example\nsecond.example\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	renew := make(chan renewal, 1)
	go l.keeper.watchFolders(ctx, l.watcher, l.log, renew)
	testnet.Until(t, "it is asked for", func() bool { return len(renew) > 0 })
}

// again reads the feeds once more, when what was refused is of use again.
func again(t *testing.T, k *feedKeeper, s *settings, write func(name, text string) string) {
	t.Helper()
	write("shrinks.txt", feedOf("back", 9))
	write("vanishes.txt", feedOf("back", 9))
	var log bytes.Buffer
	r, err := k.reread(t.Context(), s, newLogger(&log))
	if err != nil {
		t.Fatal(err)
	}
	k.use(r)
	if !has(k.set, "back8.example") || has(k.set, "shrinks0.example") || has(k.set, "vanishes0.example") || !has(k.set, "empties0.example") {
		t.Error("a feed that came back is not used, or one that did not is gone")
	}
	if got := strings.Count(log.String(), "feed refused"); got != 2 {
		t.Errorf("%d feeds refused the second time:\n%s", got, &log)
	}
}

// TestWrongConfigurationChangesNothing: what an earlier hang-up brought stays, and
// so does what the state folder remembers. It is shown until there is one that is right.
func TestWrongConfigurationChangesNothing(t *testing.T) {
	dir := t.TempDir()
	var feeds []feedSetting
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name+".txt")
		if err := os.WriteFile(path, []byte(name+".example\nallowed.example\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		feeds = append(feeds, feedSetting{Path: path})
	}
	s := settings{Feeds: feeds[:1], Allow: allowSetting{Indicators: indicatorList{"allowed.example"}}}
	l := newLiveRun(&s, streams{err: io.Discard})
	var err error
	if l.keeper, err = newFeedKeeper(t.Context(), &s, l.std); err != nil {
		t.Fatal(err)
	}
	next := make(chan error, 3) // nil: one with both feeds
	next <- nil
	read := func() (settings, error) { return settings{Feeds: feeds}, <-next }
	ctx, cancel := context.WithCancel(t.Context())
	var renewing sync.WaitGroup
	defer renewing.Wait()
	defer cancel()
	renew := make(chan renewal)
	renewing.Go(func() { l.renewFeeds(ctx, renew, read) })
	var was snapshot
	l.keeper.describe(&was)
	if was.Configured.IsZero() || was.Misconfigured {
		t.Errorf("at the start: read at %v, wrong is %v", was.Configured, was.Misconfigured)
	}
	for _, wrong := range []error{nil, errors.New("a mistake"), nil} {
		next <- wrong
		renew <- renewal{asked: true}
		swap := <-l.swaps
		close(swap.used)
		if !has(swap.set, "a.example") || !has(swap.set, "b.example") || has(swap.set, "allowed.example") {
			t.Errorf("after %v: %+v", wrong, swap.set.Counts())
		}
		renew <- renewal{} // taken once the one before is over; says nothing of the configuration
		close((<-l.swaps).used)
		renew <- renewal{}
		var shown snapshot
		l.keeper.describe(&shown)
		if shown.Misconfigured != (wrong != nil) || shown.Configured.Equal(was.Configured) != (wrong != nil) {
			t.Errorf("after %v: read at %v, before at %v, wrong is %v", wrong, shown.Configured, was.Configured, shown.Misconfigured)
		}
		was = shown
		close((<-l.swaps).used)
	}
}

// TestFileOfHashesIsReady: a file of a folder that has nothing but what is never
// seen in packets is in order, when it is first read and later. One that has
// nothing at all is not.
func TestFileOfHashesIsReady(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("names.txt", "evil.example\n")
	write("hashes.txt", "# dropped files\nd41d8cd98f00b204e9800998ecf8427e\n")
	s := settings{Feeds: []feedSetting{{Path: dir}}}
	k := keeperOf(t, &s)
	now := time.Now()
	unready := func() []string {
		var b board
		var shown snapshot
		k.describe(&shown)
		b.latest.Store(&shown)
		b.turned.Store(now.UnixNano())
		return b.unready(now)
	}
	if wrong := unready(); len(wrong) > 0 {
		t.Errorf("at the start: %q", wrong)
	}
	write("empty.txt", "")
	s.Feeds = append(s.Feeds, feedSetting{Path: filepath.Join(dir, "of", "another.txt")})
	r, err := k.reread(t.Context(), &s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	k.use(r)
	if wrong := unready(); len(wrong) != 2 || !strings.Contains(wrong[0]+wrong[1], "empty.txt") || !strings.Contains(wrong[0]+wrong[1], "another.txt") {
		t.Errorf("later: %q, want the empty file, and the one that is missing", wrong)
	}
}

// TestFolderThatIsGoneStays: however a folder of feeds is written, what it had stays
// in use when it is gone.
func TestFolderThatIsGoneStays(t *testing.T) {
	for _, path := range []string{"feeds", "./feeds", "feeds/", "feeds//", "other/../feeds", "."} {
		dir := t.TempDir()
		t.Chdir(dir)
		folder := filepath.Join(dir, filepath.Base(filepath.Clean(path)))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "names.txt"), []byte("evil.example\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("other", 0o700); err != nil {
			t.Fatal(err)
		}
		s := settings{Feeds: []feedSetting{{Path: path}}}
		k := keeperOf(t, &s)
		if err := os.Remove(filepath.Join(folder, "names.txt")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(folder); err != nil && path != "." {
			t.Fatal(err)
		}
		r, err := k.reread(t.Context(), &s, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		if !has(r.set, "evil.example") || r.refused != 1 {
			t.Errorf("%q: in use %v, %d refused", path, has(r.set, "evil.example"), r.refused)
		}
	}
}

// keeperOf reads the feeds of settings.
func keeperOf(t *testing.T, s *settings) *feedKeeper {
	t.Helper()
	k, err := newFeedKeeper(t.Context(), s, streams{err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestFeedsThatAreGone: a file of a folder that can't even be looked at, since what a
// link leads to is missing, or as when it is removed meanwhile, is refused like any
// other. What was read of it stays in use.
func TestFeedsThatAreGone(t *testing.T) {
	dir := t.TempDir()
	link := func(name, to string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.RemoveAll(path), os.Symlink(to, path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"stays", "breaks"} {
		if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(feedOf(name, 5)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := settings{Feeds: []feedSetting{{Path: dir}}}
	k := keeperOf(t, &s)
	link("breaks.txt", "nowhere.txt")
	link("dangles.txt", "nowhere.txt")
	link("loops.txt", "loops.txt")
	for range 2 { // the second time those are known
		r, err := k.reread(t.Context(), &s, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		k.use(r)
		if r.refused != 3 || len(r.files) < 4 || !has(r.set, "stays4.example") || !has(r.set, "breaks4.example") {
			t.Errorf("%d refused of %v", r.refused, r.files)
		}
	}
}
