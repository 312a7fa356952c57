package dns

import (
	"wormscope/detect"
	"wormscope/detect/lru"
	"wormscope/ioc"
)

// SetIndicators looks names up in another set from now on, a packet time. What
// is open stays open, with all it counted; alerts whose indicator is withdrawn
// or no longer holds end.
func (d *Detector) SetIndicators(set *ioc.Set, now int64) {
	remap := detect.Remap(d.set, set, now)
	for e := d.findings.Oldest(); e != nil; {
		newer := d.findings.Newer(e)
		if _, ok := remap(e.Key.match); !ok {
			d.end(e, now)
		}
		e = newer
	}
	d.findings.Rekey(func(e *lru.Entry[findingKey, finding]) (k findingKey, ok bool) {
		k = e.Key
		k.match, ok = remap(k.match)
		return k, ok
	})
	d.asked.Rekey(func(e *lru.Entry[askedKey, asking]) (k askedKey, ok bool) {
		k = e.Key
		k.match, ok = remap(k.match)
		return k, ok
	})
	for _, t := range []*lru.Table[ioc.Match, waiting]{d.waiting, d.viaAlias} {
		t.Rekey(func(e *lru.Entry[ioc.Match, waiting]) (ioc.Match, bool) { return remap(e.Key) })
	}
	for e := d.lookups.Oldest(); e != nil; e = d.lookups.Newer(e) {
		k := &e.Value.key
		if next, ok := remap(k.match); ok {
			k.match = next
		} else {
			*k = findingKey{}
		}
	}
	d.set, d.tails = set, set.Tails()
}
