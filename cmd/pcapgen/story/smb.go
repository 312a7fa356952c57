package story

import (
	"net/netip"
	"time"

	"wormscope/cmd/pcapgen/wire"
)

// A system is what an SMB1 server says it is.
type system struct{ os, lan string }

// systems that differ in what is to be done about them.
func windows7() system {
	return system{"Windows 7 Professional 7601 Service Pack 1", "Windows 7 Professional 6.1"}
}

func windowsXP() system { return system{"Windows 5.1", "Windows 2000 LAN Manager"} }

func server2012() system {
	return system{"Windows Server 2012 R2 Standard 9600", "Windows Server 2012 R2 Standard 6.3"}
}

// logOn has a client log on to a server's IPC$ over SMB1. The path is the one
// that the client names; empty for the server's address.
func (n *Net) logOn(at time.Duration, client, server netip.Addr, s system, path string) (*Conn, *wire.SMB1) {
	if path == "" {
		path = `\\` + server.String() + `\IPC$`
	}
	c := n.Dial(at, client, smb445(server))
	session := &wire.SMB1{OS: s.os, LAN: s.lan, Domain: "HOSPITAL"}
	c.Exchange(session.Greeting(path))
	return c, session
}

// transact has a client send what may be larger than a segment, and the
// server reply where it does.
func (c *Conn) transact(xs ...wire.Exchange) {
	for _, x := range xs {
		c.Send(x.Request)
		if x.Reply != nil {
			c.Recv(x.Reply)
		}
	}
}

// wannaCryTree is the path that the worm names, of a machine that its authors
// recorded its messages from.
const wannaCryTree = `\\192.168.56.20\IPC$`

// EternalBlue tells how a worm on 10.10.1.23 gets on to 10.10.1.41: it finds
// it vulnerable and without the implant, attacks it twice, and finds the
// implant. 10.10.1.42 is patched, and is left alone.
func EternalBlue() *Institution {
	i := NewInstitution(1710)
	worm, victim, patched := addr("10.10.1.23"), addr("10.10.1.41"), addr("10.10.1.42")
	c, s := i.logOn(0, worm, patched, server2012(), "")
	c.transact(s.Check(wire.StatusInvalidHandle))
	c.Close()
	c, s = i.logOn(time.Second, worm, victim, windows7(), "")
	c.transact(s.Check(wire.StatusNoResources))
	c.Close()
	ping := func(at time.Duration, by *wire.Implant) {
		c, s := i.logOn(at, worm, victim, windows7(), wannaCryTree)
		c.transact(s.Pulsar(wire.WannaCryPing, 0, by, false))
		c.Close()
	}
	ping(4*time.Second, nil)
	for k := range 2 {
		c, s := i.logOn(time.Duration(7+5*k)*time.Second, worm, victim, windows7(), wannaCryTree)
		attack := s.Oversized(66_112)
		if k == 0 {
			attack = attack[:5] // it breaks off
		}
		c.transact(attack...)
		c.Reset()
	}
	ping(10*time.Second, nil)
	ping(15*time.Second, &wire.Implant{Key: 0x1234abcd, Is64: true})
	i.Finish()
	return i
}

// DoublePulsar tells of an implant on 10.10.1.41 that 10.10.1.23 finds, has
// run a payload, and removes; of 10.10.1.42, which has none; and of
// 10.10.1.43, which does not answer.
func DoublePulsar() *Institution {
	i := NewInstitution(1711)
	who := addr("10.10.1.23")
	c, s := i.logOn(0, who, addr("10.10.1.42"), server2012(), "")
	c.transact(s.Pulsar(wire.PulsarPing, 0, nil, false))
	c.Close()
	c, s = i.logOn(time.Second, who, addr("10.10.1.43"), windowsXP(), "")
	c.transact(wire.Exchange{Request: s.Pulsar(wire.PulsarPing, 0, nil, false).Request})
	c.Reset()
	implant := &wire.Implant{Key: 0x0badcafe}
	c, s = i.logOn(2*time.Second, who, addr("10.10.1.41"), windows7(), "")
	c.transact(s.Pulsar(wire.PulsarPing, 0, implant, false))
	for part := range 120 {
		c.transact(s.Pulsar(wire.PulsarExec, 1024, implant, part > 0))
	}
	c.Close()
	c, s = i.logOn(20*time.Second, who, addr("10.10.1.41"), windows7(), "")
	c.transact(s.Pulsar(wire.PulsarPing, 0, implant, false), s.Pulsar(wire.PulsarKill, 0, implant, false))
	c.Close()
	i.Finish()
	return i
}

// PatchCheck tells of 10.10.0.60, which checks for MS17-010: one host is
// vulnerable, two are patched (each in its way), and of two it can't be told.
func PatchCheck() *Institution {
	i := NewInstitution(1712)
	for k, host := range []struct {
		last   string
		system system
		status uint32
	}{
		{"41", windows7(), wire.StatusNoResources},
		{"42", server2012(), wire.StatusInvalidHandle},
		{"44", system{"Windows 10 Pro 14393", "Windows 10 Pro 6.3"}, wire.StatusAccessDenied},
		{"45", server2012(), wire.StatusDOS},
	} {
		c, s := i.logOn(time.Duration(k)*time.Second, addr("10.10.0.60"), addr("10.10.1."+host.last), host.system, "")
		c.transact(s.Check(host.status))
		c.Close()
	}
	c, s := i.logOn(4*time.Second, addr("10.10.0.60"), addr("10.10.1.43"), windowsXP(), "")
	c.transact(wire.Exchange{Request: s.Check(wire.StatusOK).Request})
	c.Reset()
	i.Finish()
	return i
}
