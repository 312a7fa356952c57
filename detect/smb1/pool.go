package smb1

// slab holds an incomplete head.
type slab [frameHeader + MaxHead]byte

// A Pool lends buffers to Framers, up to a limit, and counts what they do.
// It is not safe for use by several goroutines.
type Pool struct {
	Stats Stats
	free  []*slab
	left  int
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

// get returns a buffer, nil at the limit.
func (p *Pool) get() *slab {
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		return s
	}
	if p.left == 0 {
		return nil
	}
	p.left--
	return new(slab)
}

// put takes a buffer back.
func (p *Pool) put(s *slab) { p.free = append(p.free, s) }
