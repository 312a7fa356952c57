package packet

import (
	"encoding/binary"

	"wormscope/internal/ip"
)

// Control calls see for the wanted frames that are TCP segments with SYN or RST, in
// their order, with what their headers say; block is the memory of the run that was
// sifted. It leaves out those that are odd. It is for who would have memory fetched for
// these segments before they are decoded.
func (r *Sifted) Control(block []byte, see func(src, dst ip.AddrPort, f Flags)) {
	const (
		ether, len4, len6, tcp = 14, 20, 40, 20 // the headers
		flagsAt                = 13             // in that of TCP
	)
	be := binary.BigEndian
	for _, what := range r.found[:r.wanted] {
		if what&foundOdds != 0 {
			continue
		}
		at := int(what>>foundAt) + ether
		h := block[at : at+len4+tcp : at+len4+tcp]
		if h[0]>>4 == 4 {
			t := h[len4:]
			if f := Flags(t[flagsAt]); f&(SYN|RST) != 0 && Proto(h[9]) == ProtoTCP {
				see(ip.AddrPort{Addr: ip.From4(be.Uint32(h[12:])), Port: be.Uint16(t)},
					ip.AddrPort{Addr: ip.From4(be.Uint32(h[16:])), Port: be.Uint16(t[2:])}, f)
			}
			continue
		}
		h = block[at : at+len6+tcp : at+len6+tcp]
		t := h[len6:]
		if f := Flags(t[flagsAt]); f&(SYN|RST) != 0 && Proto(h[6]) == ProtoTCP {
			see(ip.AddrPort{Addr: ip.From16(h[8:24]), Port: be.Uint16(t)},
				ip.AddrPort{Addr: ip.From16(h[24:40]), Port: be.Uint16(t[2:])}, f)
		}
	}
}
