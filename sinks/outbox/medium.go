package outbox

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"wormscope/sinks"
)

// A medium is where segments are: a folder, or memory.
type medium interface {
	list() ([]string, error)
	create(name string) (file, error) // the file is empty, even if there was one
	open(name string) (file, error)
	rename(from, to string) error // replaces what was there
	remove(name string) error
}

// A file is a segment's. Write appends to it.
type file interface {
	io.ReaderAt
	io.Writer
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

// folder is a medium on the disk, by its path.
type folder string

func (f folder) list() ([]string, error) {
	entries, err := os.ReadDir(string(f))
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (f folder) create(name string) (file, error) {
	return f.openAs(name, os.O_CREATE|os.O_TRUNC)
}

func (f folder) open(name string) (file, error) { return f.openAs(name, 0) }

func (f folder) openAs(name string, flags int) (file, error) {
	opened, err := os.OpenFile(filepath.Join(string(f), name), os.O_RDWR|os.O_APPEND|flags, 0o600) //nolint:gosec // G304: the folder is the user's choice
	if err != nil {
		return nil, err
	}
	if flags != 0 {
		err = f.sync() // or the new file may be gone after a power failure
	}
	return diskFile{opened}, err
}

func (f folder) rename(from, to string) error {
	err := os.Rename(filepath.Join(string(f), from), filepath.Join(string(f), to))
	return errors.Join(err, f.sync())
}

func (f folder) remove(name string) error { return os.Remove(filepath.Join(string(f), name)) }

// sync makes the creation and renaming of files durable.
func (f folder) sync() error {
	dir, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Nameless reports whether the file was deleted.
func (f diskFile) Nameless() bool { return sinks.Nameless(f.File) }

// memory is a medium that is gone with the process.
type memory struct {
	mu    sync.Mutex
	files map[string]*memoryFile
}

func newMemory() *memory { return &memory{files: make(map[string]*memoryFile)} }

func (m *memory) list() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.files))
	for n := range m.files {
		names = append(names, n)
	}
	return names, nil
}

func (m *memory) create(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := new(memoryFile)
	m.files[name] = f
	return f, nil
}

func (m *memory) open(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.files[name]; f != nil {
		return f, nil
	}
	return nil, os.ErrNotExist
}

func (m *memory) rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memory) remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

// chunk is how many bytes a file in memory grows by. Nothing is copied as it grows.
const chunk = 256 << 10

// A memoryFile is a list of chunks.
type memoryFile struct {
	mu     sync.RWMutex
	chunks [][]byte // all but the last are full
	size   int64
}

func (f *memoryFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for rest := b; len(rest) > 0; {
		if f.size%chunk == 0 {
			f.chunks = append(f.chunks, make([]byte, 0, chunk))
		}
		last := &f.chunks[len(f.chunks)-1]
		n := min(len(rest), chunk-len(*last))
		*last = append(*last, rest[:n]...)
		rest = rest[n:]
		f.size += int64(n)
	}
	return len(b), nil
}

func (f *memoryFile) ReadAt(b []byte, offset int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := 0
	for n < len(b) && offset < f.size {
		piece := f.chunks[offset/chunk][offset%chunk:]
		m := copy(b[n:], piece)
		n += m
		offset += int64(m)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) Size() (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size, nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chunks = f.chunks[:(size+chunk-1)/chunk]
	if n := len(f.chunks); n > 0 {
		f.chunks[n-1] = f.chunks[n-1][:size-int64(n-1)*chunk]
	}
	f.size = size
	return nil
}

func (f *memoryFile) Sync() error  { return nil }
func (f *memoryFile) Close() error { return nil }
