package tds

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Login is what a client says of itself.
type Login struct {
	User     string
	HasToken bool
	Token    string // of the security token flow
	Database string // empty: the user's default
	App      string
	Server   string

	version    [4]byte
	packetSize int
}

// Offsets of LOGIN7's fixed part, [MS-TDS] 2.2.6.4.
const (
	loginVersion    = 4
	loginPacketSize = 8
	loginFlags3     = 27
	loginUser       = 40
	loginApp        = 48
	loginServer     = 52
	loginExtension  = 56
	loginDatabase   = 68
	loginFixed      = 94

	flagExtension        = 0x10
	featureFedAuth       = 2
	featureEnd           = 0xFF
	librarySecurityToken = 1
)

func parseLogin(m []byte) (Login, error) {
	if len(m) < loginFixed {
		return Login{}, errors.New("LOGIN7 cut short")
	}
	var err error
	text := func(at int) string {
		from, n := int(binary.LittleEndian.Uint16(m[at:])), 2*int(binary.LittleEndian.Uint16(m[at+2:]))
		if from+n > len(m) {
			err = errors.New("LOGIN7 names a text outside itself")
			return ""
		}
		return fromUTF16(m[from : from+n])
	}
	l := Login{
		User: text(loginUser), App: text(loginApp), Server: text(loginServer), Database: text(loginDatabase),
		version:    [4]byte(m[loginVersion:]),
		packetSize: int(binary.LittleEndian.Uint32(m[loginPacketSize:])),
	}
	if err == nil && m[loginFlags3]&flagExtension != 0 {
		err = l.features(m)
	}
	return l, err
}

// features reads the feature list. The fixed part points to a DWORD, and that points to the list.
func (l *Login) features(m []byte) error {
	short := errors.New("LOGIN7's feature list is cut short")
	at := int(binary.LittleEndian.Uint16(m[loginExtension:]))
	if at+4 > len(m) {
		return short
	}
	for at = int(binary.LittleEndian.Uint32(m[at:])); at < len(m) && m[at] != featureEnd; {
		if at+5 > len(m) {
			return short
		}
		id, n := m[at], int(binary.LittleEndian.Uint32(m[at+1:]))
		if at += 5; n < 0 || at+n > len(m) {
			return short
		}
		if id == featureFedAuth {
			if err := l.fedAuth(m[at : at+n]); err != nil {
				return err
			}
		}
		at += n
	}
	return nil
}

func (l *Login) fedAuth(data []byte) error {
	if len(data) < 5 || data[0]>>1 != librarySecurityToken {
		return errors.New("of federated logins only the security token flow is known here")
	}
	n := int(binary.LittleEndian.Uint32(data[1:]))
	if n < 0 || 5+n > len(data) {
		return errors.New("LOGIN7's token is cut short")
	}
	if n == 0 || n%2 != 0 {
		return errors.New("LOGIN7's token is no UTF-16 text")
	}
	l.HasToken, l.Token = true, fromUTF16(data[5:5+n])
	return nil
}

// refuseLogin sends the errors in their order and ends the answer.
func (s *Server) refuseLogin(w *wire, err error) error {
	r := &reply{w: w}
	for _, e := range asErrors(err) {
		r.write(message(tokenError, e, s.Name))
	}
	r.write(done(tokenDone, doneError, 0, 0))
	return r.end()
}

// acceptLogin sends the login's answer. The agreed packet size holds from the next message on.
func (s *Server) acceptLogin(w *wire, l Login, database string) error {
	info := func(number int32, format string, a ...any) []byte {
		return message(tokenInfo, &Error{Number: number, State: 1, Message: fmt.Sprintf(format, a...)}, s.Name)
	}
	r := &reply{w: w}
	r.write(envText(envDatabase, database, "master"))
	r.write(info(5701, "Changed database context to '%s'.", database))
	r.write(envBytes(envCollation, collation[:], nil))
	r.write(envText(envLanguage, "us_english", ""))
	r.write(info(5703, "Changed language setting to us_english."))
	v := l.version // big-endian here, little-endian in LOGIN7
	ack := bVarChar([]byte{1, v[3], v[2], v[1], v[0]}, "Microsoft SQL Server")
	r.write(sized(tokenLoginAck, append(ack, 12, 0, 0x07, 0xD0)))
	agreed := l.packetSize >= 512 && l.packetSize <= 32767
	if agreed {
		r.write(envText(envPacketSize, fmt.Sprint(l.packetSize), fmt.Sprint(w.size)))
	}
	if l.HasToken {
		r.write([]byte{tokenFeatureExtAck, featureFedAuth, 0, 0, 0, 0, featureEnd})
	}
	r.write(done(tokenDone, 0, 0, 0))
	err := r.end()
	if agreed {
		w.size = l.packetSize
	}
	return err
}
