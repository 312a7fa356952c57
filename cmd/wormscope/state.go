package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/netip"
	"strings"
	"time"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/scope/store"
	"wormscope/sinks/outbox"
)

// A state writes what a run finds to a state folder. A nil one keeps nothing.
type state struct {
	store    *store.Store
	captures []captureNotes // by Frame.File
	loading  bool           // the ledger is being told what earlier runs have found
	changes  []scope.Change // what the next word led to: the ledger is told it first
	flushed  time.Time      // when flush wrote last
	writer   *stateWriter   // nil where the run itself writes
	missed   uint64         // words that the writer has left out, once it has ended
	hung     error          // the writer did not end, since the disk hangs: nobody else may use the store
	box      *outbox.Outbox // holds the same words for sinks, nil where there are none
	position uint64         // in box, of the latest word that the store was given
}

// captureNotes are what a run notes of one capture file or interface.
type captureNotes struct {
	frames      int       // how many are in print
	print       hash.Hash // of the first frames; tells one capture from another
	beginnings  []string  // print after each of these frames but the last: a shorter recording of the same
	first, last int64     // packet times, Unix nanoseconds
	undecoded   map[string]uint64
	notIP       uint64
	name        string // identifies it instead of print, empty where print does
}

// printFrames is how many frames captureNotes.print covers.
const printFrames = 100

// flushEvery is how long findings wait before they are written to the state
// folder. A power failure loses as much.
const flushEvery = time.Second

// network is the settings that a state folder remembers, so that commands that
// read it later tell inside from outside, and allow, the same.
type network struct {
	Internal []netip.Prefix `json:"internal"`
	Zones    []zone.Zone    `json:"zones"`
	Allow    allowSetting   `json:"allow"`
}

const settingNetwork = "network"

// openState opens the state folder that the settings name for a run. It returns
// nil when they name none. Settings that the user left open are taken from the
// folder, which then remembers those of this run.
func openState(s *settings, std streams) (*state, error) {
	if s.State == "" {
		return nil, nil //nolint:nilnil // a nil state keeps nothing
	}
	if err := checkStateLinks(s.State); err != nil {
		return nil, err
	}
	db, err := store.Open(s.State, time.Now(), store.Options{})
	if err != nil {
		return nil, err
	}
	if aside := db.SetAside(); aside != "" {
		std.report("warning: the state was damaged: it is now %s, and what it knew is missing here", aside)
	}
	given := s.Allow
	err = s.recall(db)
	if err == nil {
		if given.Scanners == nil {
			tellRemembered(std, "allow.scanners", s.Allow.Scanners)
		}
		if given.Indicators == nil {
			tellRemembered(std, "allow.indicators", s.Allow.Indicators)
		}
		err = db.Remember(settingNetwork, network{s.Internal, s.Zones, s.Allow})
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &state{store: db}, nil
}

// tellRemembered reports what is allowed only because the folder remembers it:
// users who have taken it out of a configuration may think that it is gone.
func tellRemembered[T any](std streams, setting string, list []T) {
	const most = 3
	if len(list) == 0 {
		return
	}
	told := make([]string, 0, most)
	for _, value := range list[:min(len(list), most)] {
		told = append(told, fmt.Sprint(value))
	}
	words := strings.Join(told, ", ")
	if more := len(list) - most; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	std.report("%s is what the state folder remembers: %s (an empty list in the configuration ends that)", setting, words)
}

// recall takes from a state folder what the settings leave open.
func (s *settings) recall(db *store.Store) error {
	var known network
	found, err := db.Recall(settingNetwork, &known)
	if err != nil || !found {
		return err
	}
	if !s.ownNetwork {
		s.Internal, s.Zones = known.Internal, known.Zones
	}
	if s.Allow.Scanners == nil {
		s.Allow.Scanners = known.Allow.Scanners
	}
	if s.Allow.Indicators == nil {
		s.Allow.Indicators = known.Allow.Indicators
	}
	return nil
}

// begin tells the ledger what earlier runs have found. Where a host's state then
// differs from the last one that was reported, because of new settings, say, that is
// a change. before is called before each write to the folder.
func (k *state) begin(l *scope.Ledger, fileName func(int) string, before func() error) error {
	if k == nil {
		return nil
	}
	k.store.Begin(fileName, before)
	k.loading = true
	err := tell(k.store, l)
	k.loading = false
	if err != nil {
		return err
	}
	return k.store.Resume(l)
}

// tell tells a ledger everything that a state folder knows.
func tell(db *store.Store, l *scope.Ledger) error {
	marks, err := db.Marks()
	if err != nil {
		return err
	}
	for _, m := range marks {
		l.Mark(m)
	}
	return db.Load(l)
}

// storedLedger returns a ledger of all that a state folder knows, and what
// traffic that comes from.
func storedLedger(db *store.Store, s *settings, zones *zone.Map) (*scope.Ledger, scope.Capture, error) {
	l, err := newLedger(s, zones, nil)
	if err == nil {
		err = tell(db, l)
	}
	if err != nil {
		return nil, scope.Capture{}, err
	}
	about, err := db.Capture()
	return l, about, err
}

// alert keeps the start, an update or the end of an alert. position is where the
// outbox holds it, 0 without an outbox.
func (k *state) alert(a alert.Alert, position uint64) {
	if k != nil {
		kept := a // a itself need not go to the heap where nothing is kept
		k.word(word{alert: &kept, position: position})
	}
}

// fact keeps a fact, as alert does.
func (k *state) fact(f alert.Fact, position uint64) {
	if k != nil {
		kept := f
		k.word(word{fact: &kept, position: position})
	}
}

func (k *state) word(w word) {
	w.changes, k.changes = k.changes, nil
	if k.writer != nil {
		k.writer.add(w)
		return
	}
	k.position = max(k.position, w.position)
	w.tell(k.store)
}

// freshMarks returns all marks if another process has changed one since the last
// call, else nil.
func (k *state) freshMarks() *[]scope.Mark {
	if k == nil || k.writer == nil {
		return nil
	}
	return k.writer.takeMarks()
}

// unlessOld returns a function that keeps a change of a host's state and passes it
// to listen, except for changes that an earlier run has passed on. It is nil when
// listen is.
func (k *state) unlessOld(listen func(scope.Change)) func(scope.Change) {
	if k == nil || listen == nil {
		return listen
	}
	return func(c scope.Change) {
		if !k.loading {
			k.changes = append(k.changes, c)
			listen(c)
		}
	}
}

// noteRun is noteFrame for several frames of one file.
func (k *state) noteRun(r *capture.Run) {
	if k == nil {
		return
	}
	c := k.capture(r.File)
	var f capture.Frame
	for i := 0; i < r.N && c.frames < printFrames; i++ {
		r.Frame(i, &f)
		c.note(&f)
	}
	c.first, c.last = min(c.first, r.Sum.Oldest), max(c.last, r.Sum.Newest)
}

// noteFrame notes a frame before it is decoded.
func (k *state) noteFrame(f *capture.Frame) {
	if k == nil {
		return
	}
	k.capture(f.File).note(f)
}

// note notes a frame of the file.
func (c *captureNotes) note(f *capture.Frame) {
	if c.frames == 0 {
		c.first, c.last = f.Time, f.Time
	}
	c.first, c.last = min(c.first, f.Time), max(c.last, f.Time)
	if c.frames >= printFrames {
		return
	}
	if c.frames > 0 {
		c.beginnings = append(c.beginnings, hex.EncodeToString(c.print.Sum(nil)))
	}
	c.frames++
	var head [24]byte
	binary.BigEndian.PutUint64(head[:], uint64(f.Time))        //nolint:gosec // G115: any bits will do
	binary.BigEndian.PutUint64(head[8:], uint64(f.Len))        //nolint:gosec // G115: never negative
	binary.BigEndian.PutUint32(head[16:], uint32(len(f.Data))) //nolint:gosec // G115: at most 256 KiB
	binary.BigEndian.PutUint16(head[20:], uint16(f.Link))
	c.print.Write(head[:])
	c.print.Write(f.Data)
}

// capture returns the notes of a file.
func (k *state) capture(file int) *captureNotes {
	for len(k.captures) <= file {
		k.captures = append(k.captures, captureNotes{print: sha256.New(), undecoded: map[string]uint64{}})
	}
	return &k.captures[file]
}

// outcome counts a frame that could not be decoded.
func (k *state) outcome(f *capture.Frame, o packet.Outcome) {
	if k == nil {
		return
	}
	switch c := k.capture(f.File); {
	case o == packet.NotIP:
		c.notIP++
	case o.Failure():
		c.undecoded[undecodedReason(f, o)]++
	}
}

// undecodedReason names an outcome as packet.Stats does.
func undecodedReason(f *capture.Frame, o packet.Outcome) string {
	if o == packet.UnsupportedLink {
		return o.String() + " " + f.Link.String()
	}
	return o.String()
}

// panicked notes a frame that this program failed on.
func (k *state) panicked(file int) {
	if k != nil {
		k.capture(file).undecoded[internalError]++
	}
}

// flush writes what was found, once in flushEvery. With a writer, it returns the
// error of an earlier write.
func (k *state) flush() error {
	if k == nil {
		return nil
	}
	now := time.Now()
	if now.Sub(k.flushed) < flushEvery {
		return nil
	}
	k.flushed = now
	if k.writer != nil {
		return k.writer.flush()
	}
	return k.flushNow()
}

// flushNow writes what was found. The outbox need not keep that for the folder
// any longer.
func (k *state) flushNow() error {
	err := k.store.Flush()
	if err == nil && k.box != nil && k.position > 0 {
		k.box.Taken(k.position)
	}
	return err
}

// named identifies a file or interface by a name instead of by its first frames.
func (k *state) named(file int, name string) {
	if k != nil {
		k.capture(file).name = name
	}
}

// finish writes what traffic the run looked at.
func (k *state) finish(seen *sight, warnings []string) error {
	if k.hung != nil {
		return k.hung
	}
	return k.store.Finish(k.run(seen, warnings))
}

// note has the writer write, with its next batch, what traffic the run has looked
// at so far. It does nothing without a writer.
func (k *state) note(seen *sight, warnings []string) {
	if k != nil && k.writer != nil {
		run := k.run(seen, warnings)
		k.writer.waiting.run = &run
	}
}

// run describes what traffic was looked at.
func (k *state) run(seen *sight, warnings []string) store.Run {
	run := store.Run{Warnings: warnings}
	for i := range seen.Files {
		stats, c := &seen.Files[i], k.capture(i)
		switch {
		case c.name != "":
			c.beginnings = nil
			c.print.Reset()
			c.print.Write([]byte(c.name))
		case c.frames == 0:
			c.print.Write([]byte(seen.names[i]))
		}
		about := store.Capture{
			Print: hex.EncodeToString(c.print.Sum(nil)), Name: seen.names[i], Beginnings: c.beginnings,
			Packets: stats.Frames, Bytes: stats.WireBytes, Dropped: stats.Dropped, Undecoded: maps.Clone(c.undecoded), NotIP: c.notIP,
		}
		if c.frames > 0 {
			about.First, about.Last = time.Unix(0, c.first).UTC(), time.Unix(0, c.last).UTC()
		}
		run.Captures = append(run.Captures, about)
	}
	return run
}

// close writes what waits and closes the folder.
func (k *state) close() error {
	if k == nil {
		return nil
	}
	k.stopWriter()
	if k.hung != nil {
		return k.hung
	}
	err := k.flushNow()
	return errors.Join(err, k.store.Close())
}
