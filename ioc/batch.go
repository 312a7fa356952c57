package ioc

// A Batch is names that are added together. The parts of the table that they need
// are mostly in no cache: with a batch these loads go on side by side instead of one
// after the other. The zero value is empty.
type Batch struct {
	names  [batchSize]batchName
	hashes [batchSize]uint64
	n      int
	text   []byte // the name that is being added
}

// batchSize is how many names a batch holds: enough to keep the memory busy, and few
// enough for the first-level cache.
const batchSize = 64

type batchName struct {
	name   string
	line   int
	labels int // as in nameKey
	err    error
}

// Full reports whether there is no room for one more name.
func (t *Batch) Full() bool { return t.n == batchSize }

// Add takes a name and its line in a feed into a batch that has room.
func (t *Batch) Add(name string, line int) {
	t.names[t.n] = batchName{name: name, line: line}
	t.n++
}

// AddBatch calls AddName for each name of a batch, in order, and added with what that
// returned. It ends early, with the error, when added returns one. The batch is empty
// afterwards.
func (b *Builder) AddBatch(t *Batch, note Note, added func(name string, line int, fresh bool, err error) error) error {
	names := t.names[:t.n]
	t.n = 0
	for i := range names {
		e := &names[i]
		t.text = append(t.text[:0], e.name...)
		key, err := b.key(t.text)
		t.hashes[i], e.labels, e.err = key.hash, key.labels, err
	}
	b.draft.near += b.set.names.table.touch(t.hashes[:len(names)])
	for i := range names {
		e, fresh := &names[i], false
		if e.err == nil {
			t.text = append(t.text[:0], e.name...)
			fresh, e.err = b.addName(t.text, nameKey{t.hashes[i], e.labels}, e.line, uint32(note))
		}
		if err := added(e.name, e.line, fresh, e.err); err != nil {
			return err
		}
	}
	return nil
}
