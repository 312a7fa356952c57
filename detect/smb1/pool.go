package smb1

// slab holds an incomplete head. Those that are lent form a list.
type slab struct {
	by           *Framer // that has it; nil where nobody has
	older, newer *slab   // lent before and after it
	head         [frameHeader + MaxHead]byte
}

// A Pool lends buffers to Framers, up to a limit, and counts what they do. At the
// limit the one that was lent longest ago is taken back, so that messages which never
// become whole keep no other from being read.
// It is not safe for use by several goroutines.
type Pool struct {
	Stats          Stats
	free           []*slab
	left           int
	oldest, newest *slab // of those that are lent
}

// Stats counts what the Framers of a Pool did.
type Stats struct {
	Messages uint64 // messages delivered
	Cut      uint64 // messages of which a gap took some of the head
	Resyncs  uint64 // times that no message began where one was due
	NoBuffer uint64 // messages given up because the Pool was at its limit
}

// NewPool returns a Pool that lends at most limit buffers of about one
// kilobyte at a time. They are made as they are needed and kept.
func NewPool(limit int) *Pool { return &Pool{left: limit} }

// get lends a buffer, nil if the limit is 0.
func (p *Pool) get(to *Framer) *slab {
	if len(p.free) == 0 && p.left == 0 && p.oldest != nil {
		p.oldest.by.yield()
	}
	var s *slab
	if n := len(p.free); n > 0 {
		s = p.free[n-1]
		p.free = p.free[:n-1]
	} else if p.left > 0 {
		p.left--
		s = new(slab)
	} else {
		return nil
	}
	s.by, s.older = to, p.newest
	if p.newest != nil {
		p.newest.newer = s
	} else {
		p.oldest = s
	}
	p.newest = s
	return s
}

// put takes a buffer back.
func (p *Pool) put(s *slab) {
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		p.oldest = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		p.newest = s.older
	}
	s.by, s.older, s.newer = nil, nil, nil
	p.free = append(p.free, s)
}
