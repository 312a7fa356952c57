package contact

import (
	"wormscope/detect"
	"wormscope/detect/lru"
	"wormscope/ioc"
)

// SetIndicators looks addresses up in another set from now on, a packet time.
// What is open stays open, with all it counted; alerts whose indicator is
// withdrawn or no longer holds end. The engine must be told: what the detector
// Wants may be another.
func (d *Detector) SetIndicators(set *ioc.Set, now int64) {
	remap := detect.Remap(d.set, set, now)
	d.endWithdrawn(remap, now)
	d.findings.Rekey(func(e *lru.Entry[findingKey, finding]) (k findingKey, ok bool) {
		k = e.Key
		k.match, ok = remap(k.match)
		return k, ok
	})
	d.swept.Rekey(func(e *lru.Entry[findingKey, trial]) (k findingKey, ok bool) {
		k = e.Key
		k.match, ok = remap(k.match)
		return k, ok
	})
	d.sweeps.Rekey(func(e *lru.Entry[ioc.Match, sweep]) (ioc.Match, bool) { return remap(e.Key) })
	d.conns.Rekey(func(e *lru.Entry[connKey, conn]) (_ connKey, ok bool) {
		e.Value.match, ok = remap(e.Value.match)
		return e.Key, ok
	})
	d.set = set
}

// endWithdrawn ends the alerts whose indicators are gone.
func (d *Detector) endWithdrawn(remap func(ioc.Match) (ioc.Match, bool), now int64) {
	for e := d.findings.Oldest(); e != nil; {
		newer := d.findings.Newer(e)
		if _, ok := remap(e.Key.match); !ok {
			d.end(e, now)
		}
		e = newer
	}
	for e := d.sweeps.Oldest(); e != nil; {
		newer := d.sweeps.Newer(e)
		if _, ok := remap(e.Key); !ok {
			d.endSweep(e, now)
		}
		e = newer
	}
}
