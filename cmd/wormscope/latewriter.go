package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	// maxLate is how many lines wait for a writer that takes none.
	maxLate = 4096
	// latePatience is how long the end of a run waits for it.
	latePatience = 3 * time.Second
)

// A lateWriter has a goroutine write lines, so that nobody waits where they go: to a
// terminal that was paused, or a log that hangs with its disk. Lines beyond those that
// may wait are lost, and a line says how many, in their place. Several goroutines may
// use it.
type lateWriter struct {
	to    io.Writer
	lines chan []byte
	lost  atomic.Uint64
	ended chan struct{} // closed to have the goroutine write what waits, and end
	done  chan struct{} // closed when it has
}

// newLateWriter returns a writer of lines, each Write one or more whole ones. It must be
// closed.
func newLateWriter(to io.Writer) *lateWriter {
	w := &lateWriter{to: to, lines: make(chan []byte, maxLate), ended: make(chan struct{}), done: make(chan struct{})}
	go w.writeOn()
	return w
}

// Write never fails, since there is no place to say so.
func (w *lateWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- bytes.Clone(line):
	default:
		w.lost.Add(1)
	}
	return len(line), nil
}

// close waits until what waits is written, but not for long. What comes later may be
// written or not.
func (w *lateWriter) close() {
	close(w.ended)
	select {
	case <-w.done:
	case <-time.After(latePatience):
	}
}

func (w *lateWriter) writeOn() {
	defer close(w.done)
	for {
		select {
		case line := <-w.lines:
			w.write(line)
			continue
		default: // what waits goes before the end
		}
		w.tellLost()
		select {
		case line := <-w.lines:
			w.write(line)
		case <-w.ended:
			if len(w.lines) == 0 {
				return
			}
		}
	}
}

// write writes a line. Who can't be written to can't be told either.
func (w *lateWriter) write(line []byte) { _, _ = w.to.Write(line) }

// tellLost says how many lines are missing, once those are written that came before them.
func (w *lateWriter) tellLost() {
	if n := w.lost.Swap(0); n > 0 {
		w.write(fmt.Appendf(nil, "wormscope: lines that are missing here, since nothing took them: %d\n", n))
	}
}
