package bacvault_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// A server counts UTF-16 code units, not bytes and not characters.
func TestNamesAreAsLongAsAServerCountsThem(t *testing.T) {
	for _, c := range []struct {
		letter string
		most   int
	}{{"x", 128}, {"🗄", 64}} {
		for _, n := range []int{c.most, c.most + 1} {
			name := strings.Repeat(c.letter, n)
			_, err := bacvault.ParseBackupRequest([]byte(`{"schema":"bacvault.backup-request.v1","server":"s","database":"`+name+`"}`), delivery)
			if c.letter == "🗄" { // see below: the folder of its backups would have too long a name
				if err == nil || !strings.Contains(err.Error(), "database") {
					t.Errorf("%v", err)
				}
			} else if taken := err == nil; taken != (n == c.most) {
				t.Errorf("a backup of %d times %s: %v", n, c.letter, err)
			}
			_, err = bacvault.ParseRestoreRequest([]byte(`{"schema":"bacvault.restore-request.v1","server":"s","database":"d","targetDatabase":"`+name+`"}`), delivery)
			if taken := err == nil; taken != (n == c.most) {
				t.Errorf("a restore to %d times %s: %v", n, c.letter, err)
			}
		}
		name := bacvault.CopyName(strings.Repeat(c.letter, c.most), bacvault.SlotAt(time.Now()))
		if n := bacvault.NameLength(name); n > 128 || n < 127 || !utf8.ValidString(name) {
			t.Errorf("the copy %s is %d long", name, n)
		}
	}
	if name := bacvault.FitName("db", "_x"); name != "db_x" {
		t.Errorf("a short name is cut to %s", name)
	}
}

// Names are percent-encoded in the stores, nine letters for a Chinese one, and a blob's has at most 1,024: what can't be stored is
// refused before it is exported.
func TestNamesThatTheStoreCanNotHoldAreRefusedAtOnce(t *testing.T) {
	server := strings.Repeat("s", 63)
	most := 0
	for n := 1; n <= 128; n++ {
		d := bacvault.Database{Server: server, Name: strings.Repeat("京", n)}
		_, err := bacvault.ParseBackupRequest([]byte(`{"schema":"bacvault.backup-request.v1","server":"`+d.Server+`","database":"`+d.Name+`"}`), delivery)
		fits := len(bacvault.ProofName(d.BlobName(bacvault.SlotAt(delivery.Enqueued)), time.Now())) <= 1024
		if fits != (err == nil) || !fits && !strings.Contains(err.Error(), "1024") {
			t.Fatalf("%d letters, fits %t: %v", n, fits, err)
		}
		if fits {
			most = n
		}
	}
	if most < 40 || most > 60 {
		t.Errorf("at most %d letters", most)
	}
	for n, want := range map[int]bool{100: true, 128: false} {
		_, err := bacvault.ParseRestoreRequest([]byte(`{"schema":"bacvault.restore-request.v1","server":"s","database":"d","targetDatabase":"`+strings.Repeat("京", n)+`"}`), delivery)
		if (err == nil) != want {
			t.Errorf("a target of %d letters: %v", n, err)
		}
	}
}
