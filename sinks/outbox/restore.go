package outbox

import (
	"errors"
	"io"
)

// keepName sees whether the file that is written to still has a name, and else writes it
// anew: nobody will find what is in a file that somebody deleted. Of the committer's only.
func (b *Outbox) keepName() error {
	active, ok := b.active.(interface{ Nameless() bool })
	if !ok || !active.Nameless() {
		return nil
	}
	b.mu.Lock()
	s := b.segments[len(b.segments)-1]
	b.mu.Unlock()
	if err := b.restore(s); err != nil {
		return err
	}
	b.warn("outbox: somebody deleted %s, which is still needed: it is written anew, and nothing of it is lost", s.name())
	return nil
}

// restore writes the newest segment anew from its file, which is still open.
func (b *Outbox) restore(s *segment) error {
	name := s.name()
	b.mu.Lock()
	size := s.size
	b.mu.Unlock()
	f, err := b.medium.create(name + temporary)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(b.active, 0, size))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close(), b.medium.remove(name+temporary))
	}
	b.files.Lock()
	defer b.files.Unlock()
	if err = b.medium.rename(name+temporary, name); err != nil {
		return errors.Join(err, f.Close())
	}
	_ = b.active.Close() // all of it is in the new one
	b.active = f
	b.mu.Lock()
	defer b.mu.Unlock()
	s.rewrote++ // readers open the new one
	return nil
}

// look sees to the name while nothing is written.
func (b *Outbox) look() {
	err := b.keepName()
	b.mu.Lock()
	failing := b.failing
	b.mu.Unlock()
	if err != nil || failing != nil {
		b.saved(err)
	}
}
