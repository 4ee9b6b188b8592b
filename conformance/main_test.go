// Package conformance_test holds what is written beside the code to the code, both ways: the layout of the rooms, the pages in
// docs/, the schemas, the image and its scripts, the workflows, and the Terraform with the table that the stand-ins enforce.
package conformance_test

import (
	"os"
	"sync"
	"testing"
)

var once sync.Once

// atTop makes the repository's top the current folder: everything here names files by their path from there. Each test begins with
// it. In TestMain it would come before go test takes notes of what is read, and a page that changed would pass from the cache.
func atTop(t *testing.T) {
	t.Helper()
	once.Do(func() {
		if err := os.Chdir(".."); err != nil {
			t.Fatal(err)
		}
	})
}
