package sqlpackage

import (
	"bytes"
	"testing"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

func TestVarcharGoesOutInCodePage1252(t *testing.T) {
	varchar, nvarchar := bacpacfile.Column{Type: "varchar"}, bacpacfile.Column{Type: "nvarchar"}
	for text, want := range map[string][]byte{"plain": []byte("plain"), "é€": {0xe9, 0x80}, "M\u0081nchen": []byte("M\x81nchen")} {
		if got, err := toDriver(varchar, text); err != nil || !bytes.Equal(got.([]byte), want) {
			t.Errorf("%q: %x, %v; want %x", text, got, err, want)
		}
	}
	if got, err := toDriver(varchar, "日"); err == nil {
		t.Errorf("a character that the code page lacks went out as %x", got)
	}
	if got, err := toDriver(nvarchar, "日"); err != nil || got != "日" {
		t.Errorf("nvarchar: %v, %v", got, err)
	}
}
