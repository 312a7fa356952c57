package flow

import "slices"

// chunk is a piece of a direction's bytes. A piece that the snapshot length
// cut short has fewer data than n.
type chunk struct {
	seq  uint32
	n    uint32 // length on the wire
	data []byte
	at   Segment
}

// chunkCost is about what a waiting chunk takes beside its bytes.
const chunkCost = 128

// from returns the piece without its first skip bytes, skip at most n.
func (c chunk) from(skip uint32) chunk {
	c.seq += skip
	c.n -= skip
	c.data = c.data[min(int(skip), len(c.data)):]
	return c
}

// until returns the first n bytes of the piece.
func (c chunk) until(n uint32) chunk {
	c.n = n
	c.data = c.data[:min(int(n), len(c.data))]
	return c
}

// end returns the sequence number behind the piece.
func (c *chunk) end() uint32 { return c.seq + c.n }

// queue holds the pieces of a direction that wait for bytes before them, in
// order and without overlap.
type queue struct {
	chunks []chunk
	cost   int
	since  int64 // packet time of the last progress
}

// insert takes a copy of what no waiting piece covers of c, and returns what
// that costs.
func (q *queue) insert(c chunk) (cost int) {
	before := q.cost
	i := len(q.chunks)
	for i > 0 && ahead(q.chunks[i-1].end(), c.seq) > 0 {
		i--
	}
	// Every piece from i on ends behind the beginning of c.
	for c.n > 0 {
		if i == len(q.chunks) {
			q.put(i, c)
			break
		}
		have := &q.chunks[i]
		if by := ahead(have.seq, c.seq); by >= int64(c.n) {
			q.put(i, c)
			break
		} else if by > 0 {
			free := have.seq - c.seq
			q.put(i, c.until(free))
			i++
			c = c.from(free)
			have = &q.chunks[i]
		}
		c = c.from(min(have.end()-c.seq, c.n))
		i++
	}
	return q.cost - before
}

// put stores a copy of c at i.
func (q *queue) put(i int, c chunk) {
	c.data = slices.Clone(c.data)
	q.chunks = slices.Insert(q.chunks, i, c)
	q.cost += chunkCost + len(c.data)
}

// drop forgets the bytes of chunk i and returns what they cost.
func (q *queue) drop(i int) (cost int) {
	cost = chunkCost + len(q.chunks[i].data)
	q.cost -= cost
	q.chunks[i].data = nil
	return cost
}
