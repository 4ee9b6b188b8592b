// Package conformance_test holds what is written beside the code to the code, both ways: the layout of the rooms, the pages in
// docs/, the schemas, the image and its scripts, the workflows, and the Terraform with the table that the stand-ins enforce.
package conformance_test

import (
	"fmt"
	"os"
	"testing"
)

// Everything here names files by their path from the top.
func TestMain(m *testing.M) {
	if err := os.Chdir(".."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
