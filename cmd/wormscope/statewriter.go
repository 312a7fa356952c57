package main

import (
	"cmp"
	"sync"

	"wormscope/detect/alert"
	"wormscope/scope"
	"wormscope/scope/store"
)

// A stateWriter writes to the state folder beside the capture loop, which a
// transaction of a thousand words would hold up for 20 to 40 ms. What it is
// given is written in the order in which it was found.
type stateWriter struct {
	waiting words // of the capture loop
	hand    chan words
	done    chan struct{}

	mu    sync.Mutex
	err   error         // of the last transaction
	marks *[]scope.Mark // that analysts have changed, nil when they have not
}

// words are what is written in one transaction.
type words struct {
	words []word
	run   *store.Run // what was looked at so far, nil where that need not be written
}

// A word is what a ledger is told, an alert or a fact, and what it made of it; it
// may be told neither where an analyst changes its mind.
type word struct {
	alert    *alert.Alert
	fact     *alert.Fact
	changes  []scope.Change
	position uint64 // in an outbox, 0 where there is none
}

// tell tells the state folder.
func (w *word) tell(s *store.Store) {
	if w.position > 0 {
		s.Took(w.position)
	}
	for i := range w.changes {
		s.Change(w.changes[i])
	}
	switch {
	case w.alert != nil:
		s.Alert(*w.alert)
	case w.fact != nil:
		s.Fact(*w.fact)
	}
}

func (w *words) len() int { return len(w.words) }

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
	go k.writer.run(k)
}

// run writes what it is handed. It alone uses the store and the position
// meanwhile.
func (w *stateWriter) run(k *state) {
	defer close(w.done)
	for batch := range w.hand {
		for i := range batch.words {
			k.position = max(k.position, batch.words[i].position)
			batch.words[i].tell(k.store)
		}
		err := k.flushNow()
		if err == nil && batch.run != nil {
			err = k.store.Finish(*batch.run)
		}
		marks, fresh, failed := k.store.FreshMarks()
		w.mu.Lock()
		w.err = cmp.Or(err, failed)
		if fresh {
			w.marks = &marks
		}
		w.mu.Unlock()
	}
}

// takeMarks returns what analysts said since it was asked last, nil when they
// said nothing new.
func (w *stateWriter) takeMarks() *[]scope.Mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	marks := w.marks
	w.marks = nil
	return marks
}

// flush hands over what waits, if the writer is free, or if too much waits; where
// nothing does, the writer looks for new marks all the same. It returns what went
// wrong the last time.
func (w *stateWriter) flush() error {
	if w.waiting.len() >= maxWaiting {
		w.hand <- w.waiting
		w.waiting = words{}
	} else {
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
