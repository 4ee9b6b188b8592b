package azuresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// noServer are the 404s that are about the server or what lies above it, not about the database.
var noServer = map[string]bool{
	"SubscriptionNotFound": true, "ResourceGroupNotFound": true, "ParentResourceNotFound": true, "ServerNotFound": true,
	"SubscriptionDoesNotHaveServer": true, "ServerNotInSubscription": true, "ServerNotInSubscriptionResourceGroup": true,
}

// Error codes of the operations on databases, as the REST reference of Microsoft.Sql lists them. RegionDoesNotAllowProvisioning
// and SubscriptionVcoreQuotaExceeded are listed for servers and elastic pools; that a copy meets them too is an assumption.
var managementCodes = map[string]bacvault.Code{
	"ServerDtuQuotaExceeded":            bacvault.CodeCopyNoRoom,
	"ServerQuotaExceeded":               bacvault.CodeCopyNoRoom,
	"SubscriptionVcoreQuotaExceeded":    bacvault.CodeCopyNoRoom,
	"ElasticPoolOverStorage":            bacvault.CodeCopyNoRoom,
	"ElasticPoolOverStorageUsage":       bacvault.CodeCopyNoRoom,
	"ElasticPoolOverFileSpace":          bacvault.CodeCopyNoRoom,
	"ElasticPoolDatabaseCountOverLimit": bacvault.CodeCopyNoRoom,
	"CurrentDatabaseSizeExceedsMaxSize": bacvault.CodeCopyNoRoom,
	"ProvisioningDisabled":              bacvault.CodeCopyNoRoom,
	"RegionDoesNotAllowProvisioning":    bacvault.CodeCopyNoRoom,
	"OfferDisabledOnSubscription":       bacvault.CodeCopyNoRoom,

	"AuthorizationFailed":          bacvault.CodeSQLDenied,
	"LinkedAuthorizationFailed":    bacvault.CodeSQLDenied,
	"RemoteDatabaseCopyPermission": bacvault.CodeSQLDenied,

	"SourceDatabaseNotFound": bacvault.CodeSQLNotFound,
	"SourceServerNotFound":   bacvault.CodeSQLNotFound,

	codeNameTaken: bacvault.CodeTargetExists,

	"InvalidSku":                        bacvault.CodeSQLRefused,
	"InvalidTier":                       bacvault.CodeSQLRefused,
	"InvalidTierSkuCombination":         bacvault.CodeSQLRefused,
	"InvalidMaxSizeTierCombination":     bacvault.CodeSQLRefused,
	"ElasticPoolSkuCombinationInvalid":  bacvault.CodeSQLRefused,
	"ElasticPoolTierCombinationInvalid": bacvault.CodeSQLRefused,
	"RequestDisallowedByPolicy":         bacvault.CodeSQLRefused, // an Azure Policy of the owner
	"ScopeLocked":                       bacvault.CodeSQLRefused, // a management lock

	// of retention policies
	"InvalidBackupRetentionPeriod":                                 bacvault.CodeSQLRefused,
	"InvalidDiffBackupIntervalHours":                               bacvault.CodeSQLRefused,
	"FeatureDisabledOnSelectedEdition":                             bacvault.CodeSQLRefused,
	"LongTermRetentionPolicyNotSupported":                          bacvault.CodeSQLRefused,
	"LongTermRetentionPolicyInvalid":                               bacvault.CodeSQLRefused,
	"LongTermRetentionMissingWeekOfYear":                           bacvault.CodeSQLRefused,
	"LtrConfigPolicyUnsupportedIfAutoPauseEnabled":                 bacvault.CodeSQLRefused,
	"LTRNotSupportedForPerDBCMK":                                   bacvault.CodeSQLRefused,
	"DatabaseNamedReplicaBackupRetentionConfigurationNotSupported": bacvault.CodeSQLRefused,
}

const codeNameTaken = "RemoteDatabaseExists"

// refused says that the plane answered no and took nothing; every other error leaves open whether it did, or passes.
func refused(err error) bool {
	var r *azcore.ResponseError
	var token *tokenError
	if errors.As(err, &token) { // nothing was sent
		return true
	}
	if !errors.As(err, &r) {
		return false
	}
	_, known := managementCodes[r.ErrorCode]
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusConflict:
		return known // other conflicts are operations that end
	}
	return known || r.StatusCode >= 400 && r.StatusCode < 500
}

// retryAfter is how long the plane asks to be left alone.
func retryAfter(err error) time.Duration {
	var r *azcore.ResponseError
	if !errors.As(err, &r) || r.RawResponse == nil {
		return 0
	}
	s, err := strconv.Atoi(r.RawResponse.Header.Get("Retry-After"))
	if err != nil {
		return 0
	}
	return min(time.Duration(s)*time.Second, time.Minute)
}

// said is the plane's own message, on one line.
func said(r *azcore.ResponseError) string {
	const most = 300
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if r.RawResponse == nil {
		return ""
	}
	b, err := runtime.Payload(r.RawResponse) // kept by the SDK, so this reads no network
	if err != nil || json.Unmarshal(b, &body) != nil || body.Error.Message == "" {
		return ""
	}
	text := []rune(strings.Join(strings.Fields(body.Error.Message), " "))
	return ": " + string(text[:min(len(text), most)])
}

// failure gives an error of the plane its name; nil stays nil. action is the right that the call needs.
func (m *Management) failure(ctx context.Context, what, action string, err error) error {
	var done *bacvault.Failure
	var r *azcore.ResponseError
	var token *tokenError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &done):
		return err
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errWaitOver):
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case errors.As(err, &r):
		return m.refusal(what, action, r)
	case errors.As(err, &token):
		return noToken(what, err)
	}
	f := bacvault.Fail(bacvault.CodeSQLUnreachable, "%s: the management plane did not answer: %v", what, err)
	f.Next = "Check that the app reaches the management plane and has the managed identity of MANAGED_IDENTITY_CLIENT_ID."
	f.Err = err
	return f
}

// refusal classes an answer by its code, then by its status. The SDK's text runs over many lines, so only its parts are told.
func (m *Management) refusal(what, action string, r *azcore.ResponseError) *bacvault.Failure {
	code, known := managementCodes[r.ErrorCode]
	switch {
	case known:
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		code = bacvault.CodeSQLDenied
	case r.StatusCode == http.StatusNotFound:
		code = bacvault.CodeSQLNotFound
	case r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500:
		code = bacvault.CodeSQLUnreachable
	default:
		code = bacvault.CodeSQLRefused
	}
	f := bacvault.Fail(code, "%s: the management plane answers %d %s for server %s in %s%s", what, r.StatusCode, r.ErrorCode, m.cfg.Server, m.cfg.ResourceGroup, said(r))
	if !known && code == bacvault.CodeSQLRefused {
		f.Class = bacvault.Retry // terminal must be claimed
	}
	if code == bacvault.CodeSQLDenied {
		f.Detail += fmt.Sprintf("; the identity needs %s on it", action)
		f.Next = fmt.Sprintf("Grant the identity %s on the server %s; a role assignment may take minutes to hold.", action, m.cfg.Server)
	}
	f.Err = r
	return f
}
