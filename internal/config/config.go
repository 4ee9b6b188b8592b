package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is the settings, checked.
type Config struct {
	Servers            Servers
	Protected          []Protected
	RestoreServer      string // short name; empty: a database is restored on its own server
	RestoreAddress     string // host:port
	SQLSuffix          string
	sqlEndpoints       string
	databases          string
	VaultAccount       string
	VaultContainer     string
	VaultEndpoint      string
	VaultSubscription  string
	VaultResourceGroup string
	Subscription       string
	ClientID           string
	ServiceObjective   string
	MaxSizeGB          int

	MinRetentionDays    int
	AllowUnlockedUntil  time.Time // zero: no waiver; else the first moment at which it has lapsed
	AllowUnlockedReason string
	NoManagementPlane   bool
	managementPlane     string

	SQLSubscription  string
	SQLResourceGroup string
	CopyBy           string
	JanitorAfter     time.Duration
	Unverified       string
	Fingerprint      string
	ReadBack         string
	AllowOldTool     string

	Consistency       string
	CopyObjective     string
	CopyTimeout       time.Duration
	RunTimeout        time.Duration
	lockRenewal       time.Duration
	StallTimeout      time.Duration
	DrillSchedule     string
	NegativeLimit     time.Duration
	StoreStallTimeout time.Duration
	MaxAttempts       int
	RetryDelay        time.Duration
	LeaseSeconds      int
	MaxBackupAge      time.Duration
	MaxProofAge       time.Duration
	BackupSchedule    string
	RequeueMissed     string
	Probe             string
	NotifyURL         Secret // empty: nobody is notified
	NotifyFormat      string
	StatusURL         string
	AccessTier        string

	SQLPackage     string
	WorkDir        string
	StateAccount   string
	StateContainer string
	StateEndpoint  string
	appAccount     string
	ARMEndpoint    string
	ARMAudience    string
	BusNamespace   string
	BusEmulator    string // connection string without a secret worth keeping; empty outside the emulator
	LogLevel       string
	Port           int
}

// setDrillSchedule sees that the host will understand it: a timer whose schedule it can't read never fires.
func (c *Config) setDrillSchedule(v string) error {
	if n := len(strings.Fields(v)); n != 6 {
		return faultf("%q has %d fields, not the six from second to day of week", v, n)
	}
	c.DrillSchedule = v
	return nil
}

func faultf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// Load reads the settings from an environment in the form of os.Environ. The error lists every fault, one a line.
func Load(environ []string) (Config, error) {
	env := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			env[k] = strings.TrimSpace(v)
		}
	}
	var c Config
	var faults []error
	settings := Settings()
	for _, s := range settings {
		v := env[s.Name]
		if v == "" {
			v = s.Default
		}
		if v == "" {
			if s.Required {
				faults = append(faults, faultf("%s is not set: %s", s.Name, s.Doc))
			}
			continue
		}
		if err := s.set(&c, v); err != nil {
			faults = append(faults, faultf("%s: %w", s.Name, err))
		}
	}
	faults = append(faults, unknown(env, settings)...)
	faults = append(faults, c.derive()...)
	if len(faults) > 0 {
		return Config{}, fmt.Errorf("%d app settings are wrong:\n%w", len(faults), errors.Join(faults...))
	}
	return c, nil
}

// derive fills in what follows from other settings and checks what only several together can tell.
func (c *Config) derive() (faults []error) {
	bad := func(format string, args ...any) { faults = append(faults, faultf(format, args...)) }
	c.NoManagementPlane = c.managementPlane == "off"
	faults = append(faults, c.deriveServers()...)
	if c.VaultSubscription == "" {
		c.VaultSubscription = c.Subscription
	}
	if c.SQLSubscription == "" {
		c.SQLSubscription = c.Subscription
	}
	if c.CopyBy == "management" && (c.SQLSubscription == "" || c.SQLResourceGroup == "" || c.NoManagementPlane) {
		bad("BACVAULT_COPY_BY=management needs BACVAULT_SQL_RESOURCE_GROUP, the server's subscription, and a management plane")
	}
	if !c.NoManagementPlane {
		if c.VaultSubscription == "" {
			bad("TARGET_SUBSCRIPTION_ID (or BACVAULT_VAULT_SUBSCRIPTION_ID) is not set: the gate reads the vault's policy there")
		}
		if c.VaultResourceGroup == "" {
			bad("BACVAULT_VAULT_RESOURCE_GROUP is not set: the gate reads the vault's policy there")
		}
	}
	if c.StateAccount == "" {
		c.StateAccount = c.appAccount
	}
	if c.StateAccount == "" && c.StateEndpoint == "" {
		bad("AzureWebJobsStorage__accountName (or BACVAULT_STATE_ACCOUNT) is not set: leases and progress lie there")
	}
	if c.StateAccount != "" && c.StateAccount == c.VaultAccount && c.StateContainer == c.VaultContainer {
		bad("BACVAULT_STATE_CONTAINER is the vault: leases must be able to change, the vault must not")
	}
	if c.BusNamespace == "" && c.BusEmulator == "" {
		bad("ServiceBusConnection__fullyQualifiedNamespace is not set")
	}
	if c.lockRenewal > 0 && c.RunTimeout+lockSpare > c.lockRenewal {
		bad("BACVAULT_RUN_TIMEOUT is %s, and the host renews the message's lock for %s alone: a run that is longer is begun again beside itself. Set it to %s at most, or %s higher",
			c.RunTimeout, c.lockRenewal, c.lockRenewal-lockSpare, lockRenewalName)
	}
	if (c.ARMEndpoint == "") != (c.ARMAudience == "") {
		bad("BACVAULT_ARM_ENDPOINT and BACVAULT_ARM_AUDIENCE go together")
	}
	if !c.AllowUnlockedUntil.IsZero() && c.AllowUnlockedReason == "" {
		bad("BACVAULT_ALLOW_UNLOCKED_UNTIL needs BACVAULT_ALLOW_UNLOCKED_REASON")
	}
	return faults
}

// lockRenewalName is how an app setting overrides maxAutoLockRenewalDuration of host.json.
const lockRenewalName = "AzureFunctionsJobHost__extensions__serviceBus__maxAutoLockRenewalDuration"

// lockSpare is for what comes after a run's limit with the lock still held: clean-up, event, settlement.
const lockSpare = 30 * time.Minute

// timeSpan is the form of .NET in which the host reads durations.
var timeSpan = regexp.MustCompile(`^(?:(\d{1,4})\.)?([01]?\d|2[0-3]):([0-5]\d):([0-5]\d)$`)

func (c *Config) setLockRenewal(v string) error {
	m := timeSpan.FindStringSubmatch(v)
	if m == nil {
		return faultf("%q is not days.hours:minutes:seconds such as 1.12:00:00", v)
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi("0" + m[i+1]) // digits, or nothing where there are no days
		c.lockRenewal += time.Duration(n) * unit
	}
	if long := c.lockRenewal; long <= lockSpare {
		c.lockRenewal = 0 // said once
		return faultf("the host renews a message's lock for %s, and no run has an end within that: take some hours more than BACVAULT_RUN_TIMEOUT", long)
	}
	return nil
}

// VaultURL is the vault container's address.
func (c Config) VaultURL() string {
	return c.accountURL(c.VaultEndpoint, c.VaultAccount) + "/" + c.VaultContainer
}

// StateURL is the state container's address.
func (c Config) StateURL() string {
	return c.accountURL(c.StateEndpoint, c.StateAccount) + "/" + c.StateContainer
}

func (c Config) accountURL(endpoint, account string) string {
	if endpoint != "" {
		return endpoint
	}
	return "https://" + account + ".blob.core.windows.net"
}

func (c *Config) setWaiver(v string) error {
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		return faultf("%q is not a date such as 2026-12-31", v)
	}
	c.AllowUnlockedUntil = t.AddDate(0, 0, 1)
	return nil
}

func (c *Config) setBusEmulator(v string) error {
	if !strings.Contains(strings.ToLower(v), "usedevelopmentemulator=true") {
		return faultf("connection strings are taken for the official emulator only; set ServiceBusConnection__fullyQualifiedNamespace and use the managed identity")
	}
	c.BusEmulator = v
	return nil
}

// checkHostStorage reads nothing: the setting is the host's. It only keeps a key from lying about unseen.
func checkHostStorage(v string) error {
	if !strings.EqualFold(strings.TrimRight(v, ";"), "UseDevelopmentStorage=true") {
		return faultf("connection strings are taken for Azurite only (UseDevelopmentStorage=true); set AzureWebJobsStorage__accountName and use the managed identity")
	}
	return nil
}

// unknown refuses a BACVAULT_ name that nobody reads: a typing error there would silently mean the default.
func unknown(env map[string]string, settings []Setting) (faults []error) {
	var names []string
	for _, s := range settings {
		names = append(names, s.Name)
	}
	var mine []string
	for k := range env {
		if strings.HasPrefix(k, "BACVAULT_") && !slices.Contains(names, k) {
			mine = append(mine, k)
		}
	}
	slices.Sort(mine)
	for _, k := range mine {
		best, at := "", len(k)
		for _, n := range names {
			if d := distance(k, n); d < at {
				best, at = n, d
			}
		}
		faults = append(faults, faultf("%s is not a setting; the nearest is %s", k, best))
	}
	return faults
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
