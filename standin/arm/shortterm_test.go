package arm_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"
	"github.com/google/go-cmp/cmp"
)

// What a PUT does not send is as a new database has it.
func TestShortTermIsReplacedWhole(t *testing.T) {
	t.Parallel()
	p, _ := newRetentions(t, nil)
	must(t, p.putShort("Orders", short(20, 24)))
	op, err := p.shortTerm(promoter).BeginCreateOrUpdate(t.Context(), group, server, "Orders", armsql.ShortTermRetentionPolicyNameDefault,
		armsql.BackupShortTermRetentionPolicy{Properties: &armsql.BackupShortTermRetentionPolicyProperties{RetentionDays: to.Ptr[int32](9)}}, nil)
	must(t, err)
	got, err := op.PollUntilDone(t.Context(), quick)
	must(t, err)
	if diff := cmp.Diff(short(9, 12).Properties, got.Properties); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}
