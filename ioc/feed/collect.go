package feed

import (
	"errors"
	"io"

	"wormscope/ioc"
)

// A collector takes the entries of one file into a Builder and its report.
type collector struct {
	parser
	builder *ioc.Builder
	file    *FileReport
	base    ioc.Indicator // what the options say of every entry
	name    []byte        // the name being added
	batch   ioc.Batch     // plain names to be added
	said    ioc.Indicator // what the entry before said besides its value
	note    ioc.Note      // the note of said, if noted
	noted   bool
}

func newCollector(b *ioc.Builder, file *FileReport, o Options) *collector {
	b.From(file.Path)
	return &collector{
		parser:  parser{guards: newGuards(), force: o.Force},
		builder: b,
		file:    file,
		base:    ioc.Indicator{Feed: file.Feed, Class: o.Class, Confidence: o.Confidence, TLP: o.TLP},
	}
}

// eachLine calls see with each line, but for those that are too long, which are counted.
func (c *collector) eachLine(lines *lineReader, see func(l line) error) error {
	for {
		l, err := lines.next()
		c.file.Lines = max(c.file.Lines, lines.number) // lines may be read again
		switch {
		case errors.Is(err, errLongLine):
			c.skip(reasonLong, l)
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := see(l); err != nil {
			return err
		}
	}
}

// skip counts an entry that is not used.
func (c *collector) skip(reason Reason, l line) { c.file.skip(reason, l.number, l.text) }

// add adds one entry of a line. i has what is said of it: all but type, value and
// line. port is for observables that have none of their own.
func (c *collector) add(text string, i *ioc.Indicator, port uint16, l line) error {
	o, reason := c.parse(text)
	if reason != "" {
		c.skip(reason, l)
		return nil
	}
	if o.port == 0 {
		o.port = port
	}
	said := *i
	said.Exact = said.Exact || o.exact
	if o.kind == ioc.Domain {
		said.Port = o.port
	}
	if o.url != "" {
		said.Description = describe(said.Description, o.url)
	}
	fresh, err := c.put(&o, c.noteOf(&said), l.number)
	return c.count(o.kind, l, fresh, err)
}

// addBatch adds the names of the batch; i has what is said of all of them.
func (c *collector) addBatch(i *ioc.Indicator) error {
	return c.builder.AddBatch(&c.batch, c.noteOf(i), func(name string, number int, fresh bool, err error) error {
		return c.count(ioc.Domain, line{name, number}, fresh, err)
	})
}

// count counts an entry by what the builder returned for it.
func (c *collector) count(kind ioc.Type, l line, fresh bool, err error) error {
	switch {
	case err == nil:
		c.file.count(kind, fresh)
	case errors.Is(err, ioc.ErrAllowed):
		c.skip(reasonAllowed, l)
	default:
		return err
	}
	return nil
}

// put adds an observable to the builder.
func (c *collector) put(o *observable, note ioc.Note, number int) (fresh bool, err error) {
	switch o.kind {
	case ioc.Domain:
		c.name = append(c.name[:0], o.name...)
		return c.builder.AddName(c.name, number, note)
	case ioc.Network:
		return c.builder.AddNetwork(o.net, o.port, number, note)
	default:
		return c.builder.AddAddress(o.addr(), number, note)
	}
}

// noteOf returns the note of what is said of an entry: mostly the same as of the
// entry before.
func (c *collector) noteOf(i *ioc.Indicator) ioc.Note {
	s := &c.said
	if c.noted && i.Description == s.Description && i.Reference == s.Reference && i.Port == s.Port && i.TLP == s.TLP &&
		i.Class == s.Class && i.Confidence == s.Confidence && i.Exact == s.Exact && i.FirstSeen.Equal(s.FirstSeen) && i.Expires.Equal(s.Expires) {
		return c.note
	}
	c.said, c.note, c.noted = *i, c.builder.Note(*i), true
	return c.note
}

// describe joins the description of an entry and the URL that it was the host of.
func describe(text, url string) string {
	if text == "" {
		return url
	}
	return text + " (" + url + ")"
}
