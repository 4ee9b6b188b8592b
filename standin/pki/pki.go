// Package pki is the certificate authority of one stack of stand-ins, so that unmodified clients talk TLS to them.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs the certificates of one stack. Its key never leaves the process.
type Authority struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	caFile string
	now    time.Time
}

// New makes an authority and writes its certificate to ca.pem in dir. Certificates are valid from a day before now for
// a year: TLS clients judge them by the machine's time, not by the stack's clock.
func New(dir string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the authority's key: %w", err)
	}
	a := &Authority{key: key, caFile: filepath.Join(dir, "ca.pem"), now: now}
	tmpl, err := a.template("bacvault stand-in authority")
	if err != nil {
		return nil, err
	}
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority's certificate: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read back the authority's certificate: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(a.caFile, text, 0o644); err != nil {
		return nil, fmt.Errorf("write the authority's certificate: %w", err)
	}
	return a, nil
}

// CAFile is the path of the authority's certificate: what SSL_CERT_FILE of the stack's processes names.
func (a *Authority) CAFile() string { return a.caFile }

// ServerTLS is a server configuration with a fresh certificate for 127.0.0.1, ::1 and localhost.
func (a *Authority) ServerTLS() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a server's key: %w", err)
	}
	tmpl, err := a.template("localhost")
	if err != nil {
		return nil, err
	}
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	tmpl.DNSNames = []string{"localhost"}
	tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign a server's certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}},
	}, nil
}

// ClientTLS is a client configuration that trusts this authority and no other.
func (a *Authority) ClientTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}

func (a *Authority) template(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    a.now.Add(-24 * time.Hour),
		NotAfter:     a.now.Add(365 * 24 * time.Hour),
	}, nil
}
