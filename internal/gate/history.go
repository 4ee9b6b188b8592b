package gate

import (
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// MaxExtensions is how often Azure lets a locked container-level policy be extended ("Container-level WORM policies", Microsoft
// Learn). A version-level default has no such limit that its pages agree on.
const MaxExtensions = 5

// history takes over the policy's own log and what it leaves to do. The log is recorded and never judged: it names people,
// is kept only in part (seven entries), and can hold more than the state explains. State and period decide alone.
func history(p *bacvault.Posture, log []*armstorage.UpdateHistoryProperty) {
	extended := 0
	for _, u := range log {
		if u == nil {
			continue
		}
		var c bacvault.PolicyChange
		if u.Update != nil {
			c.Kind = string(*u.Update)
		}
		if u.ImmutabilityPeriodSinceCreationInDays != nil {
			c.Days = int(*u.ImmutabilityPeriodSinceCreationInDays)
		}
		if u.Timestamp != nil {
			c.At = u.Timestamp.UTC()
		}
		if c.By = value(u.Upn); c.By == "" {
			c.By = value(u.ObjectIdentifier) // an application has no principal name
		}
		if strings.EqualFold(c.Kind, string(armstorage.ImmutabilityPolicyUpdateTypeExtend)) {
			extended++
		}
		p.History = append(p.History, c)
	}
	if p.Scope == ScopeContainer && p.State == StateLocked {
		p.ExtensionsLeft = max(0, MaxExtensions-extended)
	}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
