// Package smb1 reads the wire format of SMB1 (MS-CIFS, MS-SMB) and of the
// first messages of SMB2 and SMB3 (MS-SMB2): NetBIOS session framing
// (RFC 1002, chapter 4.3), the headers and the fields that detection needs.
// It takes a TCP stream in any chunks, allocates nothing, and never buffers
// more than the head of a message.
//
// A Framer (this file) finds the messages of one direction. ParseHeader (header.go) and
// the other Parse functions read what they hold: session.go the set-up of sessions,
// transaction.go transactions, smb2.go the later versions, ntlm.go challenges.
package smb1

// MaxHead is how many bytes of a message are kept, from its protocol
// identifier on; the rest is counted and skipped. Headers, session set-up
// with its NTLM challenge and negotiation fit.
const MaxHead = 1024

// frameHeader is the length of the NetBIOS session header: type, length.
const frameHeader = 4

// A Message is one SMB message, or the beginning of one.
type Message struct {
	// Data begins with the protocol identifier and ends after MaxHead bytes,
	// or earlier where the message ends or the capture has a gap. It is
	// borrowed: valid until the Framer is used again.
	Data []byte
	// Length is the message's length as its NetBIOS header says, in bytes,
	// 0 to 2^24-1.
	Length int
}

// Kind is which protocol a message is in.
type Kind uint8

// The kinds of message, by protocol identifier.
const (
	KindNone       Kind = iota // not SMB
	KindSMB1                   // FF 'SMB' (MS-CIFS 2.2.3.1)
	KindSMB2                   // FE 'SMB' (MS-SMB2 2.2.1)
	KindCompressed             // FC 'SMB' (MS-SMB2 2.2.42)
	KindEncrypted              // FD 'SMB' (MS-SMB2 2.2.41)
)

// Kind returns which protocol the message is in.
func (m Message) Kind() Kind { return kindOf(m.Data) }

// kindOf returns the kind of a message by its first four bytes.
func kindOf(b []byte) Kind {
	if len(b) < 4 || b[1] != 'S' || b[2] != 'M' || b[3] != 'B' {
		return KindNone
	}
	switch b[0] {
	case 0xFF:
		return KindSMB1
	case 0xFE:
		return KindSMB2
	case 0xFC:
		return KindCompressed
	case 0xFD:
		return KindEncrypted
	default:
		return KindNone
	}
}

// state is how sure a Framer is of where messages begin.
type state uint8

const (
	// fresh: the next byte follows the beginning of the stream, or a gap.
	// What looks like a message right there is one: stacks send a message in
	// segments of its own.
	fresh state = iota
	// hunting: the beginning of a message is looked for. What is found in the
	// middle of other bytes may be the content of a file, so it is not
	// delivered; it is believed once another message follows it.
	hunting
	// proving: after a message that was found by hunting.
	proving
	// synced: a message begins at the next byte.
	synced
)

// A Framer cuts one direction of a TCP connection into SMB messages. The same
// bytes give the same messages in whatever chunks they come. A Framer holds a
// buffer of its Pool only while the head of a message is incomplete.
type Framer struct {
	pool  *Pool
	slab  *slab // the incomplete head and its NetBIOS header, nil for none
	n     int   // bytes in slab
	held  bool  // slab was handed out in a Message
	state state
	skip  int // bytes left of a message whose head is done
}

// NewFramer returns a Framer for a stream of which the beginning may be
// missing.
func NewFramer(p *Pool) Framer { return Framer{pool: p} }

// Next returns the next message of which the head ends in *b, and removes
// from *b what it read. It returns false when *b is used up. The caller gives
// the stream's bytes in order and calls Next until it returns false.
func (f *Framer) Next(b *[]byte) (Message, bool) {
	f.drop(f.held)
	for given := *b; ; {
		if f.skip > 0 {
			f.pass(b)
		}
		// What is kept is gone through to its end, even where no byte comes to it.
		if f.slab == nil && len(*b) == 0 || f.slab != nil && !f.putBack(b, given) && !f.fill(b) {
			return Message{}, false
		}
		w := *b
		if f.slab != nil {
			w = f.slab.head[:f.n]
		}
		if f.state == hunting {
			if i := hunt(w); i > 0 {
				f.advance(b, i)
				continue
			}
		}
		v := look(w, f.state)
		switch {
		case v.head == 0:
			f.lose()
			f.advance(b, 1)
		case len(w) < v.head:
			f.keep(b, v)
		default:
			if m, ok := f.take(b, v); ok {
				return m, true
			}
		}
	}
}

// Gap says that n bytes of the stream are missing at this place; n <= 0 says
// that it is not known how many. A message of which some of the head was seen
// is returned as far as it goes.
func (f *Framer) Gap(n int) (Message, bool) {
	f.drop(f.held)
	if f.slab == nil {
		if n <= 0 || n > f.skip {
			f.skip, f.state = 0, fresh
			return Message{}, false
		}
		f.skip -= n
		return Message{}, false
	}
	w := f.slab.head[:f.n]
	v := look(w, f.state)
	rest := v.total - len(w)
	if v.total == 0 {
		f.drop(true)
		f.state = fresh
		return Message{}, false
	}
	m := Message{Data: w[frameHeader:], Length: v.total - frameHeader}
	deliver := v.message && f.believed()
	f.held = true
	f.sync()
	if n <= 0 || n > rest {
		f.state = fresh
	} else {
		f.skip = rest - n
	}
	f.pool.Stats.Cut++
	return m, deliver
}

// Partial reports whether the Framer has some of a message's head.
func (f *Framer) Partial() bool { return f.slab != nil }

// Bored reports whether the Framer would only search the next bytes for a
// message: those that are Dull change nothing.
func (f *Framer) Bored() bool { return f.state == hunting && f.slab == nil && f.skip == 0 }

// Dull reports whether nowhere in b a message may begin, nor the end of b may be
// the beginning of one, for a Framer that is bored.
func Dull(b []byte) bool { return hunt(b) == len(b) }

// Close gives the Framer's buffer back. The stream is over.
func (f *Framer) Close() { f.drop(f.slab != nil) }

// pass skips what is left of a message whose head is done.
func (f *Framer) pass(b *[]byte) {
	k := min(f.skip, len(*b))
	f.skip -= k
	*b = (*b)[k:]
}

// fill moves bytes from *b to the incomplete head until there are as many as
// it takes to go on, and reports whether there are.
func (f *Framer) fill(b *[]byte) bool {
	for {
		v := look(f.slab.head[:f.n], f.state)
		if f.n >= v.head {
			return true
		}
		k := copy(f.slab.head[f.n:v.head], *b)
		f.n += k
		*b = (*b)[k:]
		if k == 0 {
			return false
		}
	}
}

// putBack has a search go on in the bytes that were given, once all that is kept is
// from these, and reports whether it does: in the buffer it goes byte by byte, through
// a file of zeros to its end.
func (f *Framer) putBack(b *[]byte, given []byte) bool {
	from := len(given) - len(*b) - f.n
	if f.state != hunting || from < 0 || len(*b) == 0 {
		return false
	}
	*b = given[from:]
	f.drop(true)
	return true
}

// keep stores an incomplete head until more comes, or until its buffer is needed for
// others.
func (f *Framer) keep(b *[]byte, v view) {
	if f.slab != nil {
		return // fill got all there is, and look wants more: fill again
	}
	f.slab = f.pool.get(f)
	if f.slab == nil {
		f.giveUp(v, len(*b))
	} else {
		f.n = copy(f.slab.head[:], *b)
	}
	*b = nil
}

// giveUp passes over a message of which so many bytes were seen.
func (f *Framer) giveUp(v view, seen int) {
	f.pool.Stats.NoBuffer++
	f.skip = max(0, v.total-seen)
	if v.total == 0 {
		f.state, f.skip = hunting, 0
	}
}

// yield gives the buffer back for another Framer, and with it the message whose head is
// in it, unless that was handed out.
func (f *Framer) yield() {
	if !f.held {
		f.giveUp(look(f.slab.head[:f.n], f.state), f.n)
	}
	f.drop(true)
}

// take removes a complete head from the window and returns it as a Message,
// or false where it is none to deliver.
func (f *Framer) take(b *[]byte, v view) (Message, bool) {
	deliver := v.message && f.believed()
	f.sync()
	f.skip = v.total - v.head
	var w []byte
	if f.slab != nil {
		w = f.slab.head[:v.head]
		f.held = true
		if !deliver {
			f.drop(true)
		}
	} else {
		w = (*b)[:v.head]
		*b = (*b)[v.head:]
	}
	if deliver {
		f.pool.Stats.Messages++
	}
	return Message{Data: w[frameHeader:], Length: v.total - frameHeader}, deliver
}

// believed reports whether a message that begins here is one.
func (f *Framer) believed() bool { return f.state != hunting }

// sync notes that a message was found where the Framer is.
func (f *Framer) sync() {
	if f.state == hunting {
		f.state = proving
		return
	}
	f.state = synced
}

// lose notes that no message begins where the Framer is.
func (f *Framer) lose() {
	if f.state != hunting {
		f.pool.Stats.Resyncs++
	}
	f.state = hunting
}

// advance drops k bytes of the window.
func (f *Framer) advance(b *[]byte, k int) {
	if f.slab == nil {
		*b = (*b)[k:]
		return
	}
	f.n = copy(f.slab.head[:], f.slab.head[k:f.n])
	if f.n == 0 {
		f.drop(true)
	}
}

// drop gives the buffer back.
func (f *Framer) drop(yes bool) {
	if yes {
		f.pool.put(f.slab)
		f.slab, f.n, f.held = nil, 0, false
	}
}
