package tds

import (
	"bytes"
	"net"
	"testing"
)

func TestMessageIsCutIntoPackets(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	sent := bytes.Repeat([]byte("0123456789"), 1000)
	failed := make(chan error, 1)
	go func() {
		r := &reply{w: newWire(server)}
		r.write(sent[:3])
		r.write(sent[3:])
		failed <- r.end()
	}()
	var got []byte
	in := newWire(client)
	for n := 1; ; n++ {
		p, err := in.readPacket()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.data...)
		if !p.last() && len(p.data) != packetDefault-packetHeader {
			t.Errorf("packet %d holds %d bytes", n, len(p.data))
		}
		if p.last() {
			break
		}
	}
	if err := <-failed; err != nil || !bytes.Equal(sent, got) {
		t.Errorf("%v, %d bytes of %d", err, len(got), len(sent))
	}
}
