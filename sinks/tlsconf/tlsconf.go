// Package tlsconf holds the TLS settings that all sinks share, and explains errors of
// connections.
package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wormscope/internal/input"
)

// Settings are those of TLS to a server. With the zero value, the authorities of the
// system are trusted, the server's certificate must be for the name that is dialled,
// no client certificate is sent, and TLS is 1.2 or later. Checking the server's
// certificate can't be switched off.
type Settings struct {
	CA         string `yaml:"ca"`          // PEM file of the authorities to trust instead of the system's
	Cert       string `yaml:"cert"`        // PEM file of the client certificate, its chain after it
	Key        string `yaml:"key"`         // PEM file of its private key, not encrypted
	ServerName string `yaml:"server_name"` // name that the server's certificate must be for, if it is not the one dialled
	MinVersion string `yaml:"min_version"` // 1.2 or 1.3; 1.2 if empty
}

// Config reads the files and returns a configuration for one server. An error
// names the setting and the file. The client certificate is read again for
// each handshake, so that a renewed one is used from the next connection on;
// the authorities are read once.
func (s Settings) Config() (*tls.Config, error) {
	c := &tls.Config{ServerName: s.ServerName, MinVersion: tls.VersionTLS12}
	switch s.MinVersion {
	case "", "1.2":
	case "1.3":
		c.MinVersion = tls.VersionTLS13
	default:
		return nil, fmt.Errorf("tls.min_version: %q: want 1.2 or 1.3", s.MinVersion)
	}
	if s.CA != "" {
		pool, err := readPool(s.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		c.RootCAs = pool
	}
	if (s.Cert == "") != (s.Key == "") {
		return nil, errors.New("tls.cert and tls.key: give both or neither")
	}
	if s.Cert == "" {
		return c, nil
	}
	if err := s.checkPair(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return s.pair()
	}
	return c, nil
}

// checkPair reports an error now that would else come at the first handshake.
func (s Settings) checkPair() error {
	pair, err := s.pair()
	if err != nil {
		return err
	}
	leaf := pair.Leaf
	if now := time.Now(); now.After(leaf.NotAfter) {
		return fmt.Errorf("tls.cert: %s expired on %s: renew it", s.Cert, leaf.NotAfter.Format(time.RFC3339))
	}
	return nil
}

func (s Settings) pair() (*tls.Certificate, error) {
	certificate, err := input.Read(s.Cert)
	if err != nil {
		return nil, fmt.Errorf("tls.cert: %w", err)
	}
	key, err := input.Read(s.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	if block, _ := pem.Decode(key); block != nil && block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, fmt.Errorf("tls.key: %s is encrypted: give a key without a passphrase, readable for this program alone", s.Key)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert %s with tls.key %s: %w", s.Cert, s.Key, err)
	}
	return &pair, nil
}

func readPool(path string) (*x509.CertPool, error) {
	text, err := input.Read(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in it: want PEM", path)
	}
	return pool, nil
}

// IsLocal reports whether what goes to a host stays on this machine, as far as its
// name says.
func IsLocal(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
