package scan

import "net/netip"

// Hurry has the alerts about a host said again when next they grow.
func (d *Detector) Hurry(host netip.Addr) {
	for _, l := range d.lives.places {
		if l != nil && l.host.Netip() == host {
			l.pace.Hurry()
		}
	}
}
