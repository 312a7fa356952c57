package main

import (
	"cmp"
	"sync"

	"wormscope/detect/alert"
	"wormscope/scope"
	"wormscope/scope/store"
)

// A stateWriter writes to the state folder in a goroutine of its own: a
// transaction of a thousand words takes 20 to 40 ms, which would hold the capture
// loop up. Words are written in the order in which they were found.
type stateWriter struct {
	waiting words         // not handed over yet; the capture loop's own
	hand    chan words    // from the capture loop to the writer
	done    chan struct{} // closed when the writer has ended

	mu    sync.Mutex
	err   error         // of the last transaction
	marks *[]scope.Mark // all, after another process has changed some; nil once taken
}

// words are what is written in one transaction.
type words struct {
	words []word
	run   *store.Run // what traffic was looked at so far, nil where that need not be written
}

// A word is an alert's start, update or end, or a fact, with the changes of hosts'
// states that it has led to. It is neither, but has changes, where they come from
// marks of analysts.
type word struct {
	alert    *alert.Alert
	fact     *alert.Fact
	changes  []scope.Change
	position uint64 // in an outbox, 0 where there is none
}

// tell gives the word to the store, whose next transaction writes it.
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

// maxWaiting is how many words, about 100 MB, may wait for a slow disk. Then the
// capture loop waits, too.
const maxWaiting = 1 << 16

// startWriter starts a goroutine that writes. Until stopWriter, only that one may
// use the store.
func (k *state) startWriter() {
	if k == nil {
		return
	}
	k.writer = &stateWriter{hand: make(chan words), done: make(chan struct{})}
	go k.writer.run(k)
}

// run writes what it is handed. No other goroutine uses k.store and k.position
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

// takeMarks returns all marks if another process has changed one since its last
// call, else nil.
func (w *stateWriter) takeMarks() *[]scope.Mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	marks := w.marks
	w.marks = nil
	return marks
}

// flush hands over what waits if the writer is free; if too much waits, it waits
// until the writer is. Even if nothing waits, that has the writer look for new
// marks. It returns the error of the last transaction.
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

// stopWriter ends the writer once it has written everything. Then the store may be
// used again.
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
