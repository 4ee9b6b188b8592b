package tds

import (
	"encoding/binary"
	"unicode/utf16"
)

// Tokens of the answer stream, [MS-TDS] 2.2.7.
const (
	tokenReturnStatus  = 0x79
	tokenColumns       = 0x81
	tokenError         = 0xAA
	tokenInfo          = 0xAB
	tokenLoginAck      = 0xAD
	tokenFeatureExtAck = 0xAE
	tokenRow           = 0xD1
	tokenEnvChange     = 0xE3
	tokenDone          = 0xFD
	tokenDoneProc      = 0xFE
	tokenDoneInProc    = 0xFF
)

// Bits of a DONE. There is also 0x100, server error; the client throws the connection away on it, so it is never sent.
const (
	doneMore      = 0x01
	doneError     = 0x02
	doneCount     = 0x10
	doneAttention = 0x20
)

const commandSelect = 0xC1

// Kinds of ENVCHANGE.
const (
	envDatabase   = 1
	envLanguage   = 2
	envPacketSize = 4
	envCollation  = 7
	envBegin      = 8
	envReset      = 18
)

// collation is SQL_Latin1_General_CP1_CI_AS: varchar bytes are Windows-1252.
var collation = [5]byte{0x09, 0x04, 0xD0, 0x00, 0x34}

func message(token byte, e *Error, server string) []byte {
	b := le32(nil, uint32(e.Number))
	b = append(b, e.State, e.Class)
	b = usVarChar(b, e.Message)
	b = bVarChar(b, server)
	b = bVarChar(b, "") // procedure
	b = le32(b, 1)      // line
	return sized(token, b)
}

func envChange(kind byte, now, before []byte) []byte {
	b := append([]byte{kind}, now...)
	return sized(tokenEnvChange, append(b, before...))
}

func envText(kind byte, now, before string) []byte {
	return envChange(kind, bVarChar(nil, now), bVarChar(nil, before))
}

func envBytes(kind byte, now, before []byte) []byte {
	return envChange(kind, append([]byte{byte(len(now))}, now...), append([]byte{byte(len(before))}, before...))
}

func done(token byte, status, command uint16, rows int64) []byte {
	b := le16([]byte{token}, status)
	b = le16(b, command)
	return le64(b, uint64(rows))
}

func columns(cols []Column) []byte {
	b := le16([]byte{tokenColumns}, uint16(len(cols)))
	for _, c := range cols {
		b = le32(b, 0) // user type
		flags := uint16(0)
		if !c.ReadOnly {
			flags |= 0x08
		}
		if c.Nullable {
			flags |= 0x01
		}
		if c.Identity {
			flags |= 0x10
		}
		b = le16(b, flags)
		b = append(b, c.Type.info()...)
		b = bVarChar(b, c.Name)
	}
	return b
}

func sized(token byte, body []byte) []byte {
	return append(le16([]byte{token}, uint16(len(body))), body...)
}

func utf16le(s string) []byte {
	u := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(u))
	for _, c := range u {
		b = le16(b, c)
	}
	return b
}

func fromUTF16(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

func bVarChar(b []byte, s string) []byte {
	u := utf16le(s)
	return append(append(b, byte(len(u)/2)), u...)
}

func usVarChar(b []byte, s string) []byte {
	u := utf16le(s)
	return append(le16(b, uint16(len(u)/2)), u...)
}

func le16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }
func le32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func le64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }
