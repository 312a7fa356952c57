package story

import (
	"fmt"
	"net/netip"
	"time"

	"wormscope/cmd/pcapgen/wire"
)

// Get has a client fetch a page over HTTP and returns when it is there.
func (n *Net) Get(at time.Duration, client netip.Addr, server netip.AddrPort, name, path string, size int) time.Duration {
	c := n.Dial(at, client, server)
	c.Send(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nCache-Control: no-cache\r\n\r\n", path, name))
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n", size)
	c.Recv(append([]byte(head), filler(size)...))
	c.Close()
	return c.At
}

// Secure has a client talk over something that looks encrypted: up bytes
// there, down bytes back.
func (n *Net) Secure(at time.Duration, client netip.Addr, server netip.AddrPort, up, down int) time.Duration {
	c := n.Dial(at, client, server)
	c.Send(n.noise(0x17, up))
	c.Recv(n.noise(0x17, down))
	c.Close()
	return c.At
}

// Mail has a client hand a message to a mail server.
func (n *Net) Mail(at time.Duration, client, server netip.Addr) {
	c := n.Dial(at, client, netip.AddrPortFrom(server, 25))
	c.Recv([]byte("220 mail.hospital.example ESMTP\r\n"))
	for _, x := range [][2]string{
		{"EHLO client.hospital.example\r\n", "250 mail.hospital.example\r\n"},
		{"MAIL FROM:<ward@hospital.example>\r\n", "250 ok\r\n"},
		{"RCPT TO:<lab@hospital.example>\r\n", "250 ok\r\n"},
		{"DATA\r\n", "354 go on\r\n"},
		{"Subject: results\r\n\r\n" + string(filler(900)) + "\r\n.\r\n", "250 queued\r\n"},
		{"QUIT\r\n", "221 bye\r\n"},
	} {
		c.Send([]byte(x[0]))
		c.Recv([]byte(x[1]))
	}
	c.Close()
}

// A FileServer is a server of SMB2 shares.
type FileServer struct {
	Addr         netip.Addr
	Name         string
	Major, Minor uint8
	Build        uint16
	Dialect      uint16
}

// ReadFile has a client log on to a file server and read a file of size bytes.
func (n *Net) ReadFile(at time.Duration, client netip.Addr, s FileServer, size int) time.Duration {
	c := n.Dial(at, client, netip.AddrPortFrom(s.Addr, 445))
	session := &wire.SMB2{Dialect: s.Dialect, Server: s.Name, Domain: "HOSPITAL", Major: s.Major, Minor: s.Minor, Build: s.Build}
	c.Exchange(session.Greeting())
	c.Exchange(session.ReadFile(`\\`+s.Name+`\wards`, `plan.xlsx`, filler(size)))
	c.Exchange(session.Farewell())
	c.Close()
	return c.At
}

// filler is text of a length.
func filler(size int) []byte {
	const line = "Ward 4: beds 12, staff 3, deliveries at 10 and 15 o'clock.\r\n"
	b := make([]byte, 0, size+len(line))
	for len(b) < size {
		b = append(b, line...)
	}
	return b[:size]
}

// noise is TLS records of a kind that hold size random bytes.
func (n *Net) noise(kind byte, size int) []byte {
	var b []byte
	for size > 0 {
		part := min(size, 1<<14)
		b = append(b, kind, 3, 3, byte(part>>8), byte(part))
		for range part {
			b = append(b, byte(n.Rand.UintN(256)))
		}
		size -= part
	}
	return b
}
