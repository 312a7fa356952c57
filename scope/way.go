package scope

import (
	"slices"
	"strconv"
	"strings"

	"wormscope/detect/alert"
)

// Way is how a worm gets from host to host, as far as it shows: what to close.
type Way struct {
	// SMB says that it goes by SMB, or may: hosts answer there, or nothing tells.
	SMB bool
	// Other are the ports besides those of SMB, ascending.
	Other []uint16
	// Unlike says that it was seen to go by other ports alone, so that patches of
	// SMB stop nothing.
	Unlike bool
	// Exploits says that attacks on SMB itself were seen.
	Exploits bool
	// Ghost says that SMBGhost is one of them, and GhostOnly that nothing was seen
	// of MS17-010 beside it, not even a check.
	Ghost, GhostOnly bool
}

// Way returns how the worm of the document goes. Ports count that suspected
// hosts scan, and those on which scanners from outside were answered; what
// everybody serves, the web and names, is nothing to close, nor is mail to those.
func (d *Document) Way() Way {
	w := Way{Exploits: d.Totals.Attacked+d.Totals.Exploited > 0}
	var others bool // than SMBGhost
	for i := range d.Hosts {
		h := &d.Hosts[i]
		if h.State >= Suspected {
			w.acts(h)
		}
		ghost, other := h.flaws()
		w.Ghost, others = w.Ghost || ghost, others || other
	}
	w.GhostOnly = w.Ghost && !others
	for i := range d.External {
		w.outside(&d.External[i])
	}
	for i := range d.Attacks {
		w.SMB = w.SMB || alert.IsSMB(d.Attacks[i].Port)
	}
	slices.Sort(w.Other)
	w.Other = slices.Compact(w.Other)
	w.SMB = w.SMB || w.Exploits
	shown := w.SMB || len(w.Other) > 0
	w.Unlike = shown && !w.SMB
	w.SMB = w.SMB || d.Totals.SMBExposed > 0 || !shown && d.Totals.Infected+d.Totals.Suspected > 0
	return w
}

// flaws reports whether anything of SMBGhost, and of any other flaw of SMB, was seen
// on a host: exploits, checks, implants and marks have names.
func (h *HostEntry) flaws() (ghost, other bool) {
	for i := range h.Facts {
		f := &h.Facts[i]
		this := f.Name == alert.NameSMBGhost
		ghost = ghost || this && f.Confidence > 0
		other = other || !this && f.Name != "" && f.Confidence > 0
	}
	return ghost, other
}

// acts takes account of what a suspected host did.
func (w *Way) acts(h *HostEntry) {
	for i := range h.Facts {
		switch f := &h.Facts[i]; {
		case !f.Counts || f.Fact == kindBeaconing.String():
		case f.Fact != kindScanning.String(): // all others are of SMB
			w.Exploits = true
		case f.Confidence >= suspectedFrom:
			w.port(f.Port)
		}
	}
}

// outside takes account of a scanner from outside.
func (w *Way) outside(s *Scanner) {
	for _, p := range s.Ports {
		w.SMB = w.SMB || alert.IsSMB(p)
		if s.Answered > 0 && p != portMail {
			w.port(p)
		}
	}
}

func (w *Way) port(p uint16) {
	switch {
	case alert.IsSMB(p):
		w.SMB = true
	case p != 0 && !publicPort(p):
		w.Other = append(w.Other, p)
	}
}

// portMail is where mail comes in from everywhere: who answers there is a mail server.
// Hosts inside that scan it are to be kept from it all the same.
const portMail = 25

// publicPort reports whether nearly all networks offer a service to everybody
// on a port.
func publicPort(p uint16) bool { return p == 53 || p == 80 || p == 443 }

// Any reports whether there is anything to close.
func (w *Way) Any() bool { return w.SMB || len(w.Other) > 0 }

// Ports writes the ports to close, "445 and 139" for instance, first those that
// it was seen to go by.
func (w *Way) Ports() string {
	const most = 8
	var list, smb []string
	if w.SMB {
		smb = []string{"445", "139"}
	}
	for _, p := range w.Other[:min(len(w.Other), most)] {
		list = append(list, strconv.Itoa(int(p)))
	}
	if more := len(w.Other) - most; more > 0 {
		list = append(list, strconv.Itoa(more)+" more")
	}
	if w.Unlike {
		list = append(list, smb...)
	} else {
		list = append(smb, list...)
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " and " + list[last]
}
