package tlsconf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// An Error is an error of a connection whose text says what to do. It wraps that of
// the library.
type Error struct {
	Addr  string // what was dialled, host:port
	Words string
	Err   error
}

func (e *Error) Error() string { return e.Addr + ": " + e.Words }

// Unwrap returns what the library said.
func (e *Error) Unwrap() error { return e.Err }

// Explain returns an *Error that says what went wrong with a connection to addr,
// host:port, and what to do about it: an unknown authority, another name, an expired
// certificate, no TLS there, a client certificate that is wanted or refused, and
// what goes wrong before TLS. Any other error it only wraps, with addr before it. It
// returns nil for nil.
func Explain(addr string, err error) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*Error](err); known {
		return err
	}
	for _, explain := range []func(error) string{certificate, peer, network} {
		if words := explain(err); words != "" {
			return &Error{Addr: addr, Words: words, Err: err}
		}
	}
	return fmt.Errorf("%s: %w", addr, err)
}

// certificate explains why this side does not accept the server's certificate.
func certificate(err error) string {
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		issuer := "an authority"
		if e.Cert != nil {
			issuer = fmt.Sprintf("%q", e.Cert.Issuer.String())
		}
		return fmt.Sprintf("its certificate is signed by %s, which is not trusted here: set tls.ca to the file of that authority", issuer)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("its certificate is for %s, not for %s: dial it by that name or set tls.server_name", names(e.Certificate), e.Host)
	}
	e, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || e.Cert == nil {
		return ""
	}
	if e.Reason != x509.Expired {
		return "its certificate is not valid: " + e.Error()
	}
	if time.Now().Before(e.Cert.NotBefore) {
		return fmt.Sprintf("its certificate is valid only from %s on: check the clocks", e.Cert.NotBefore.Format(time.RFC3339))
	}
	return fmt.Sprintf("its certificate expired on %s: it must be renewed there", e.Cert.NotAfter.Format(time.RFC3339))
}

// names returns the names and addresses that a certificate is for.
func names(c *x509.Certificate) string {
	list := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	if len(list) == 0 {
		return "no name"
	}
	return strings.Join(list, ", ")
}

// peer explains why the server does not accept this side. The library has no type
// for the TLS alerts that it receives, so that they are told by their text.
func peer(err error) string {
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Sprintf("it answers without TLS (%q): wrong port, or TLS is off there", e.RecordHeader[:])
	}
	e, ok := errors.AsType[*net.OpError](err)
	if !ok || e.Op != "remote error" || e.Err == nil {
		return ""
	}
	switch alert := strings.TrimPrefix(e.Err.Error(), "tls: "); alert {
	case "certificate required":
		return "it wants a client certificate: set tls.cert and tls.key"
	case "bad certificate", "unknown certificate", "unsupported certificate", "access denied":
		return "it refuses the client certificate, or wants one (" + alert + "): check tls.cert and tls.key"
	case "unknown certificate authority":
		return "it does not trust the authority of the client certificate: tls.cert must be of one that it knows"
	case "expired certificate", "revoked certificate":
		return "it refuses the client certificate (" + alert + "): renew tls.cert"
	case "handshake failure", "insufficient security level", "protocol version not supported":
		return "no common version or cipher, or it wants a client certificate (" + alert + "): check tls.min_version, tls.cert and tls.key"
	default:
		return "it ends TLS with the alert: " + alert
	}
}

// network explains what goes wrong below TLS.
func network(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return fmt.Sprintf("there is no host named %q: check the name", e.Name)
		}
		return fmt.Sprintf("the name %q can't be looked up: %s", e.Name, e.Err)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there (connection refused): check host and port, and that the server runs"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no way there (unreachable): check the address, routes and firewalls"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "no answer in time: a firewall that drops, a server that hangs, or a port that speaks no TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "it closed the connection: it may speak no TLS on this port, or only TLS, or want a client certificate; its log says more"
	}
	return ""
}
