package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/sinks"
	"wormscope/sinks/ecs"
)

// events renders what is found and writes it. Without a file it does nothing.
// The first error stays: whoever runs the pipeline must look at err, so that
// no event is lost in silence.
type events struct {
	file   *sinks.File
	render *ecs.Renderer
	sinks  *delivery // nil for none
	err    error
	alone  bool // nothing else takes what is found
	unread bool // nobody reads standard output any more, which was told
}

// Live traffic does not wait for a disk that hangs. Up to waitingLive bytes of
// events wait in memory instead, and the capture loop waits for patienceLive at
// most, which its ring can bridge.
const (
	waitingLive  = 64 << 20 // bytes
	patienceLive = 250 * time.Millisecond
)

// openEvents opens the event file that the settings name, if any.
func openEvents(s *eventSetting, stdout io.Writer, live bool) (*events, error) {
	if s.File == "" {
		return &events{}, nil
	}
	o := sinks.FileOptions{
		MaxSize:  s.MaxSize << 20,
		MaxAge:   s.MaxAge,
		Keep:     s.Keep,
		Compress: s.Compress,
		Stdout:   stdout,
	}
	if live {
		o.MaxWaiting, o.Patience = waitingLive, patienceLive
	}
	if err := checkLinks(s.File); err != nil {
		return nil, fmt.Errorf("event file: %w", err)
	}
	file, err := sinks.OpenFile(s.File, o)
	if err != nil {
		return nil, err
	}
	return &events{file: file}, nil
}

// prepare sets what events are rendered with. It must be called before the
// first event.
func (e *events) prepare(zones *zone.Map, fileName func(int) string) {
	e.render = ecs.New(ecs.Options{Version: version(), Zones: zones, FileName: fileName})
	if e.sinks != nil {
		e.sinks.fileName = fileName
	}
}

// alert writes the start, an update or the end of an alert.
func (e *events) alert(a *alert.Alert) {
	if e.file == nil && e.sinks == nil {
		return
	}
	kept := *a // a itself need not go to the heap where nobody reads events
	if e.file != nil {
		e.write(e.render.Alert(&kept))
	}
	e.sinks.alert(&kept)
}

// onChange returns the function that writes a change of a host's state. It is nil
// when nobody reads events, which spares the ledger the work of describing changes.
func (e *events) onChange() func(scope.Change) {
	if e.file == nil && e.sinks == nil {
		return nil
	}
	return func(c scope.Change) {
		if e.file != nil {
			e.write(e.render.Change(&c))
		}
		e.sinks.change(&c)
	}
}

// write writes a rendered event.
func (e *events) write(line []byte, err error) {
	if err == nil {
		err = e.file.Event(line)
	}
	if err == nil {
		return
	}
	if e.err == nil {
		e.err = fmt.Errorf("events: %w", err)
	}
}

// takeError returns the first error since its last call, and forgets it.
func (e *events) takeError() error {
	err := e.err
	e.err = nil
	return err
}

// errUnread ends a run of which standard output was all that anybody wanted.
var errUnread = errors.New("nobody reads standard output any more")

// orUnread returns errUnread in the place of the error of a write to standard output that
// nobody reads any more.
func orUnread(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return errUnread
	}
	return err
}

// checkReader tells once that nobody reads standard output any more, where events go
// there. Where they go nowhere else, it returns errUnread.
func (e *events) checkReader(tell func(string)) error {
	if e.file == nil || e.unread || !e.file.Unread() {
		return nil
	}
	e.unread = true
	if e.alone {
		return errUnread
	}
	tell(errUnread.Error() + "; all else that takes what is found goes on")
	return nil
}

// paused reports whether events wait for whoever reads a pipe.
func (e *events) paused() bool { return e.file != nil && e.file.Paused() }

// reopen closes the event file and opens it again, after someone moved it.
func (e *events) reopen() error {
	if e.file == nil {
		return nil
	}
	return e.file.Reopen()
}

// flush writes what waits, to the file and to the outbox.
func (e *events) flush() error {
	var err error
	if e.file != nil {
		err = e.file.Flush()
	}
	return errors.Join(err, e.sinks.sync())
}

// flushFirst is flush for the state folder, which must not be ahead of the events. Its
// error tells whoever reads that the folder can't be written where the fault lies.
func (e *events) flushFirst() error {
	if err := e.flush(); err != nil {
		return fmt.Errorf("the state waits for the events, which are written first: %w", inOneLine{err})
	}
	return nil
}

// close writes what waits and closes the file and the sinks.
func (e *events) close() error {
	var err error
	if e.file != nil {
		err = e.file.Close()
	}
	return errors.Join(err, e.sinks.close())
}

// writeWhole writes a file, or to standard output for "-". A file is replaced
// whole, so that nobody ever reads half a document, and is on the disk when this
// returns: it may be an incident's only report, and is written once, at the end of a
// run. It keeps its permissions, and a new one gets those that the umask leaves. Devices
// and pipes are written to in place. Where path is a link, the file it leads to is
// replaced and the link stays. Errors begin with what, which names the document.
func writeWhole(what, path string, stdout io.Writer, write func(io.Writer) error) (err error) {
	if path == "-" {
		return orUnread(write(stdout))
	}
	if err = checkLinks(path); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if isSpecial(path) {
		return writeInto(what, path, write)
	}
	f, path, err := createBeside(path)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", what, inPlaceOf(f.Name(), path, err)), os.Remove(f.Name()))
		}
	}()
	if info, fails := os.Stat(path); fails == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = writeSynced(f, write)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err == nil {
		syncFolder(filepath.Dir(path))
	}
	return err
}

// A synced writer says when what it took is on the disk.
type synced interface {
	io.Writer
	Sync() error
}

// writeSynced writes, and waits until that is on the disk, where the file system
// can say so.
func writeSynced(to synced, write func(io.Writer) error) error {
	if err := write(to); err != nil {
		return err
	}
	err := to.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// syncFolder makes the names in a folder survive a power failure. Where it can't, as in
// a folder that this user may not read, the system does so in its own time: until then
// a name may still lead to the file that was there before, which is whole, too.
func syncFolder(path string) {
	if dir, err := os.Open(path); err == nil { //nolint:gosec // G304: the user says where to
		_, _ = dir.Sync(), dir.Close()
	}
}

// createBeside creates a temporary file in the folder of the file that it is going
// to replace. It returns the path of that file with all links followed.
func createBeside(path string) (f *os.File, replaced string, err error) {
	if to, fails := filepath.EvalSymlinks(path); fails == nil {
		path = to
	}
	const most = 10_000
	temporary := ""
	for n := range most {
		temporary = filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d-%d", filepath.Base(path), os.Getpid(), n))
		f, err = os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // for others to read, unless umask says no
		if !errors.Is(err, os.ErrExist) {
			break
		}
	}
	return f, path, inPlaceOf(temporary, path, err)
}

// inPlaceOf has an error name a file, and not the temporary one beside it, of which
// users know nothing.
func inPlaceOf(temporary, path string, err error) error {
	if fault, ok := errors.AsType[*os.PathError](err); ok && fault.Path == temporary {
		fault.Path = path
	}
	return err
}

// isSpecial reports whether path is a device, pipe or the like: neither a regular
// file nor a folder.
func isSpecial(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// writeInto writes to a device or pipe that exists.
func writeInto(what, path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // G304: the user says where to
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// writable checks that writeWhole will be able to write a file at path, so that
// an hour of work does not end in an error. An empty path or "-" needs no file.
func writable(what, path string) error {
	if path == "" || path == "-" {
		return nil
	}
	if err := checkLinks(path); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s: %s is a folder", what, path)
	}
	if isSpecial(path) {
		return nil // opening a pipe would wait for its reader
	}
	f, _, err := createBeside(path)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
