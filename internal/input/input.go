// Package input reads files that a user names, such as a configuration or a password.
package input

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// What is read of a file that may have no end, or may never say anything.
const (
	longest = time.Minute
	largest = 256 << 20 // bytes
)

// Read is os.ReadFile for what need not be a regular file: a pipe or device gives all
// it has within a minute, or is an error. So is a pipe that gives nothing: when it was
// read before, it has no more.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() || info.IsDir() {
		return os.ReadFile(path)
	}
	text, err := within(path, longest, largest)
	if err == nil && len(text) == 0 && info.Mode()&fs.ModeNamedPipe != 0 {
		err = errors.New("a pipe that gives nothing: what it has, it gives only once")
	}
	if err != nil {
		if _, told := errors.AsType[*fs.PathError](err); !told {
			err = &fs.PathError{Op: "read", Path: path, Err: err}
		}
		return nil, err
	}
	return text, nil
}

// within reads a file to its end, which must come in time and before so many bytes.
func within(path string, most time.Duration, size int64) ([]byte, error) {
	var text []byte
	var err error
	done := make(chan struct{})
	go func() { // it may wait for a writer that never comes
		defer close(done)
		var f *os.File
		if f, err = os.Open(path); err != nil {
			return
		}
		defer f.Close() //nolint:errcheck // only read
		text, err = io.ReadAll(io.LimitReader(f, size+1))
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		return nil, fmt.Errorf("no regular file, and it has not come to an end for %v", most)
	}
	if err == nil && int64(len(text)) > size {
		return nil, fmt.Errorf("no regular file, and larger than %d MB", size>>20)
	}
	return text, err
}
