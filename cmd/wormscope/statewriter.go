package main

import (
	"sync"

	"wormscope/detect/alert"
	"wormscope/scope/store"
)

// A stateWriter writes to the state folder beside the capture loop, which a
// transaction of a thousand words would hold up for 20 to 40 ms. What it is
// given is written in the order in which it was found.
type stateWriter struct {
	waiting words // of the capture loop
	hand    chan words
	done    chan struct{}

	mu  sync.Mutex
	err error // of the last transaction
}

// words are what is written in one transaction.
type words struct {
	alerts []alert.Alert
	facts  []alert.Fact
	run    *store.Run // what was looked at so far, nil where that need not be written
}

func (w *words) len() int { return len(w.alerts) + len(w.facts) }

// maxWaiting is how many words wait for a slow disk, about 100 MB, before the
// capture loop waits, too.
const maxWaiting = 1 << 16

// startWriter lets a goroutine write from now on. Until finish or close the
// store must not be used otherwise.
func (k *state) startWriter() {
	if k == nil {
		return
	}
	k.writer = &stateWriter{hand: make(chan words), done: make(chan struct{})}
	go k.writer.run(k.store)
}

func (w *stateWriter) run(s *store.Store) {
	defer close(w.done)
	for batch := range w.hand {
		for i := range batch.alerts {
			s.Alert(batch.alerts[i])
		}
		for i := range batch.facts {
			s.Fact(batch.facts[i])
		}
		err := s.Flush()
		if err == nil && batch.run != nil {
			err = s.Finish(*batch.run)
		}
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
	}
}

// flush hands over what waits, if the writer is free, or if too much waits. It
// returns what went wrong the last time.
func (w *stateWriter) flush() error {
	switch {
	case w.waiting.len() == 0 && w.waiting.run == nil:
	case w.waiting.len() >= maxWaiting:
		w.hand <- w.waiting
		w.waiting = words{}
	default:
		select {
		case w.hand <- w.waiting:
			w.waiting = words{}
		default:
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// stopWriter waits until everything is written. The store may be used again.
func (k *state) stopWriter() {
	if k == nil || k.writer == nil {
		return
	}
	w := k.writer
	k.writer = nil
	if w.waiting.len() > 0 {
		w.hand <- w.waiting
	}
	close(w.hand)
	<-w.done
}
