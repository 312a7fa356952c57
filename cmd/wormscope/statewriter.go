package main

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/plural"
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

	patience time.Duration // how long the capture loop waits while the writer gets nowhere
	stuck    bool          // it has waited so long, and waits no more
	missed   uint64        // words left out meanwhile

	last    time.Duration // how long the end of the run waits while the writer gets nowhere
	excused func() bool   // reports whether it waits for a program, and not for a disk

	mu    sync.Mutex
	moved time.Time     // when the writer took its latest word, zero while it has none
	held  int           // words that it has taken and not written
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

const (
	// maxWaiting is how many words, about 100 MB, may wait for a slow disk. Then the
	// capture loop waits, too. Of a disk that takes nothing for statePatience it is no
	// longer waited for: words that are beyond are left out.
	maxWaiting    = 1 << 16
	statePatience = 5 * time.Second
	// slowState is after how long flush reports a disk that takes nothing.
	slowState = 10 * time.Second
	// stateLast is how long a run that ends waits for a disk that takes nothing: longer
	// than another process keeps the database locked, and less than a service manager
	// waits.
	stateLast = 30 * time.Second
)

// startWriter starts a goroutine that writes. Until stopWriter, only that one may
// use the store. excused reports whether what the writer waits for, as the events are
// written first, is a program that reads them.
func (k *state) startWriter(excused func() bool) {
	if k == nil {
		return
	}
	k.writer = &stateWriter{hand: make(chan words), done: make(chan struct{}), patience: statePatience, last: stateLast, excused: excused}
	go k.writer.run(k)
}

// run writes what it is handed. No other goroutine uses k.store and k.position
// meanwhile.
func (w *stateWriter) run(k *state) {
	defer close(w.done)
	for batch := range w.hand {
		w.take(len(batch.words))
		for i := range batch.words {
			k.position = max(k.position, batch.words[i].position)
			batch.words[i].tell(k.store)
			w.move()
		}
		err := k.flushNow()
		if err == nil && batch.run != nil {
			err = k.store.Finish(*batch.run)
		}
		marks, fresh, failed := k.store.FreshMarks()
		w.mu.Lock()
		w.moved, w.held = time.Time{}, 0
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

// add has a word wait. Where the disk hangs and too many do, that is left out and
// counted, and only the changes of states stay, as in the store.
func (w *stateWriter) add(one word) {
	if w.stuck && w.waiting.len() >= maxWaiting {
		w.missed++
		if len(one.changes) == 0 {
			return
		}
		one.alert, one.fact = nil, nil
	}
	w.waiting.words = append(w.waiting.words, one)
}

// flush hands over what waits if the writer is free; if too much waits, it waits until
// the writer is, but not for a disk that hangs. Even if nothing waits, that has the
// writer look for new marks. It returns the error of the last transaction, or that the
// disk takes nothing.
func (w *stateWriter) flush() error {
	select {
	case w.hand <- w.waiting:
		w.waiting, w.stuck = words{}, false
	default:
		if w.waiting.len() >= maxWaiting && !w.stuck {
			w.wait()
		}
	}
	if still := w.still(); still >= slowState {
		return fmt.Errorf("state: the disk has taken nothing for %v; %s", still.Truncate(time.Second), plural.Count(w.waiting.len(), "finding waits", "findings wait"))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// wait hands over what waits, unless the writer gets nowhere for as long as patience.
func (w *stateWriter) wait() {
	look := time.NewTicker(max(w.patience/10, 1))
	defer look.Stop()
	for !w.stuck {
		select {
		case w.hand <- w.waiting:
			w.waiting = words{}
			return
		case <-look.C:
			w.stuck = w.still() >= w.patience
		}
	}
}

// take notes that the writer has begun with so many words.
func (w *stateWriter) take(words int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved, w.held = time.Now(), words
}

// move notes that the writer has got somewhere.
func (w *stateWriter) move() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved = time.Now()
}

// still returns for how long the writer has got nowhere, 0 if it has nothing to do.
func (w *stateWriter) still() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved.IsZero() {
		return 0
	}
	return time.Since(w.moved)
}

// stopWriter ends the writer once it has written everything. Then the store may be
// used again, unless the disk hangs: then k.hung says so, and the writer keeps the store
// for good.
func (k *state) stopWriter() {
	if k == nil || k.writer == nil {
		return
	}
	w := k.writer
	k.writer, k.missed = nil, w.missed
	if still := w.end(); still > 0 {
		left := w.left()
		k.missed += uint64(left) //nolint:gosec // G115: never negative
		k.hung = fmt.Errorf("state: the disk has taken nothing for %v: %s not in the folder", still.Truncate(time.Second), plural.Count(left, "finding is", "findings are"))
	}
}

// end hands over what waits, and waits until all is written. If the writer gets nowhere
// for as long as last, it returns for how long.
func (w *stateWriter) end() time.Duration {
	look := time.NewTicker(max(w.last/100, 1))
	defer look.Stop()
	hand := w.hand
	if w.waiting.len() == 0 {
		close(w.hand)
		hand = nil
	}
	for {
		select {
		case hand <- w.waiting:
			w.waiting, hand = words{}, nil
			close(w.hand)
		case <-w.done:
			return 0
		case <-look.C:
			if still := w.still(); still >= w.last && !w.excused() {
				return still
			}
		}
	}
}

// left returns how many words are not written.
func (w *stateWriter) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held + w.waiting.len()
}

// warnings says what of the run is missing in the folder. While there is a writer,
// which owns the store, it says nothing.
func (k *state) warnings() []string {
	if k == nil || k.writer != nil {
		return nil
	}
	missed := k.missed
	if k.hung == nil {
		missed += k.store.Missed()
	}
	if missed == 0 {
		return nil
	}
	return []string{plural.Count(missed, "finding is", "findings are") + " not in the state folder: its disk had no room, or hung, for too long"}
}
