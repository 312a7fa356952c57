package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A record is one event in a segment: a head of headSize bytes, then the event
// in the encoding of package event. All numbers are big-endian.
//
//	0  length of the event, bytes
//	4  CRC-32C of all that follows
//	8  position
//	16 when it was appended, Unix seconds
//	20 severity, 0 for what no sink wants
//	21 1 when the next record belongs to the same group
//	22 zero
type record struct {
	position uint64
	seconds  uint32
	severity uint8
	more     bool
	event    []byte // valid until the next record is read
}

const (
	headSize = 24
	// maxEvent is how long an encoded event can be. None is near it.
	maxEvent = 1 << 20
)

// What is wrong with bytes that should be a record.
var (
	errTorn    = errors.New("the record is not whole")
	errDamaged = errors.New("the record is damaged")
)

// castagnoli is the polynomial that processors have an instruction for.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// append appends the record to b.
func (r *record) append(b []byte) []byte {
	var head [headSize]byte
	binary.BigEndian.PutUint32(head[0:], uint32(len(r.event))) //nolint:gosec // G115: at most maxEvent
	binary.BigEndian.PutUint64(head[8:], r.position)
	binary.BigEndian.PutUint32(head[16:], r.seconds)
	head[20] = r.severity
	if r.more {
		head[21] = 1
	}
	table := castagnoli()
	sum := crc32.Update(crc32.Checksum(head[8:], table), table, r.event)
	binary.BigEndian.PutUint32(head[4:], sum)
	return append(append(b, head[:]...), r.event...)
}

// parse reads the record that b begins with, and returns its length. The record's
// event is part of b. The error is errTorn where more bytes may complete the record,
// and errDamaged where they can't; then the length is what the head says, or 0 where
// that makes no sense.
func parse(b []byte) (record, int, error) {
	if len(b) < headSize {
		return record{}, 0, errTorn
	}
	length := binary.BigEndian.Uint32(b)
	if length == 0 || length > maxEvent {
		return record{}, 0, errDamaged
	}
	size := headSize + int(length)
	if len(b) < size {
		return record{}, size, errTorn
	}
	if crc32.Checksum(b[8:size], castagnoli()) != binary.BigEndian.Uint32(b[4:]) || b[21] > 1 || b[22] != 0 || b[23] != 0 {
		return record{}, size, errDamaged
	}
	return record{
		position: binary.BigEndian.Uint64(b[8:]),
		seconds:  binary.BigEndian.Uint32(b[16:]),
		severity: b[20],
		more:     b[21] == 1,
		event:    b[headSize:size],
	}, size, nil
}

// A scanner reads the records of a segment.
type scanner struct {
	from    io.ReaderAt
	offset  int64 // of the next record
	end     int64 // of the segment
	buf     []byte
	begun   int // bytes of buf that were used
	damaged int // damaged places that were passed over
}

// readSize is how much a scanner reads at a time.
const readSize = 128 << 10

// whole reads the next intact record, and passes over what is damaged before it. It
// returns io.EOF when no further one follows.
func (s *scanner) whole() (record, error) {
	for {
		r, err := s.next()
		if !errors.Is(err, errDamaged) && !errors.Is(err, errTorn) {
			return r, err
		}
		goesOn, err := s.skip()
		if err == nil && !goesOn {
			err = io.EOF
		}
		if err != nil {
			return record{}, err
		}
		s.damaged++
	}
}

// next reads the next record. It returns io.EOF at the end of the segment,
// errTorn where the end is within a record, and errDamaged for a record that is
// not what was written; skip goes on after it.
func (s *scanner) next() (record, error) {
	for {
		r, size, err := parse(s.buf[s.begun:])
		switch {
		case err == nil:
			s.begun += size
			s.offset += int64(size)
			return r, nil
		case errors.Is(err, errDamaged):
			return r, err
		}
		more, err := s.fill(max(size, headSize))
		if err != nil {
			return r, err
		}
		if !more && s.offset == s.end {
			return r, io.EOF
		}
		if !more {
			return r, errTorn
		}
	}
}

// fill reads on until there are size bytes, and reports whether there are.
func (s *scanner) fill(size int) (bool, error) {
	rest := s.end - s.offset
	if rest < int64(size) {
		return false, nil
	}
	want := min(rest, int64(max(size, readSize)))
	if int64(cap(s.buf)) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.begun = s.buf[:want], 0
	if err := s.read(s.buf); err != nil {
		s.buf = s.buf[:0]
		return false, err
	}
	return true, nil
}

// read fills b with what stands at the offset.
func (s *scanner) read(b []byte) error {
	n, err := s.from.ReadAt(b, s.offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("at byte %d: %w", s.offset, err)
}

// skip moves past a record that is damaged or not complete, and reports whether a
// further one follows: where the length in the head says, if there is one, or else
// at the next place with an intact one.
func (s *scanner) skip() (bool, error) {
	_, size, _ := parse(s.buf[s.begun:])
	next := s.offset + int64(size)
	ahead := scanner{from: s.from, offset: next, end: s.end}
	if _, err := ahead.next(); size == 0 || err != nil && !errors.Is(err, io.EOF) {
		var found bool
		if next, found, err = s.search(); err != nil || !found {
			return false, err
		}
	}
	s.offset = next
	s.buf, s.begun = s.buf[:0], 0
	return true, nil
}

// search returns where the next intact record begins. Nothing within a record can be
// taken for one: an event is JSON, which has no zero byte.
func (s *scanner) search() (int64, bool, error) {
	rest := make([]byte, s.end-s.offset)
	if err := s.read(rest); err != nil {
		return 0, false, err
	}
	for i := 1; i+headSize < len(rest); i++ {
		if _, _, err := parse(rest[i:]); err == nil {
			return s.offset + int64(i), true, nil
		}
	}
	return 0, false, nil
}
