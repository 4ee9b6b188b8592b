package sqlpackage

import (
	"regexp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// rule is one kind of failure by the words that sqlpackage prints. An empty code leaves it with the action's own
// "failed", an empty class or advice with the code's.
type rule struct {
	find   *regexp.Regexp
	export bacvault.Code
	imprt  bacvault.Code
	class  bacvault.Class
	next   string
}

// rules are tried in this order. The words are those of reports and Microsoft's own texts; there is no documented list.
// What no rule knows stays export.failed or import.failed.
var rules = []rule{
	{find: regexp.MustCompile(`SQL71659|contains one or more user objects`), imprt: bacvault.CodeImportNotEmpty},
	{find: regexp.MustCompile(`You must install or update \.NET|valid ICU package|Globalization Invariant Mode is not supported`),
		export: bacvault.CodeToolMissing, imprt: bacvault.CodeToolMissing,
		next: "Put what sqlpackage names (the .NET runtime, libicu) into the image; the self-contained zip needs no .NET."},
	{find: regexp.MustCompile(`is not a valid argument for the '`), class: bacvault.Terminal,
		next: "This sqlpackage does not know an argument that it is given; install 170.5.96 or later."},
	{find: regexp.MustCompile(`No space left on device|not enough space on the disk|[Dd]isk full`), export: bacvault.CodeDiskFull, imprt: bacvault.CodeDiskFull},
	{find: regexp.MustCompile(`OutOfMemoryException|Out of memory`), export: bacvault.CodeToolKilled, imprt: bacvault.CodeToolKilled},
	{find: regexp.MustCompile(`SQL(71626|71627|71630|715\d\d)\b`), export: bacvault.CodeExportSchema},
	{find: regexp.MustCompile(`surrogate pair .* is invalid`), class: bacvault.Terminal,
		next: "A text column holds half a surrogate pair, which no bacpac can hold; find and repair the value, then export again."},
	{find: regexp.MustCompile(`Stream was too long`), class: bacvault.Terminal,
		next: "Releases before 170.5.96 can't write a part of this size; install 170.5.96 or later."},
	// An expired token and an outage both also print "Login failed", so they come first.
	{find: regexp.MustCompile(`(?i)token is expired`), class: bacvault.Retry},
	{find: regexp.MustCompile(`is not allowed to access the server`), export: bacvault.CodeSQLUnreachable, imprt: bacvault.CodeSQLUnreachable},
	{find: regexp.MustCompile(`network-related or instance-specific`), export: bacvault.CodeSQLUnreachable, imprt: bacvault.CodeSQLUnreachable},
	{find: regexp.MustCompile(`Unable to connect to master or target server`), export: bacvault.CodeSQLUnreachable, imprt: bacvault.CodeSQLUnreachable,
		next: "Check the server's name and firewall, and that the identity may create databases in master."},
	{find: regexp.MustCompile(`transport-level error|[Tt]imeout (Expired|expired|period elapsed)|Unable to reconnect to database|` +
		`is not currently available|service is currently busy|Not enough resources to process|Cannot open database|was deadlocked`), class: bacvault.Retry},
	{find: regexp.MustCompile(`Principal '.*' could not be resolved|Server identity is not configured`), export: bacvault.CodeSQLDenied, imprt: bacvault.CodeSQLDenied,
		next: "Give the target server an identity that may read the directory (Directory Readers); it must look up the database's Entra users."},
	{find: regexp.MustCompile(`\bMsg 33159\b|Only connections established with Active Directory accounts`), export: bacvault.CodeSQLDenied, imprt: bacvault.CodeSQLDenied,
		next: "The database has Entra users; import with an Entra identity, and with 170.5.96 or later, which keeps users and logins together."},
	{find: regexp.MustCompile(`Login failed for user|permission (was )?denied|not able to access the database|do(es)? not have permission`),
		export: bacvault.CodeExportDenied, imprt: bacvault.CodeSQLDenied},
	// From here on: imports that fail on every try. The archive may be sound; another server, objective or release may take it.
	{find: regexp.MustCompile(`does not support the service objective`), class: bacvault.Refused,
		next: "Edition and SQL_SERVICE_OBJECTIVE do not go together; correct the request or the setting."},
	{find: regexp.MustCompile(`\bMsg 40536\b|MEMORY_OPTIMIZED tables`), class: bacvault.Refused,
		next: "The database has memory-optimized tables; restore with a Premium or Business Critical service objective."},
	{find: regexp.MustCompile(`File contains corrupted data|Could not load package from`), class: bacvault.Terminal,
		next: "sqlpackage can't open the archive: restore with the release that its manifest names; an archive of another .NET build may be unreadable."},
	{find: regexp.MustCompile(`is missing from the dacpac package`), class: bacvault.Terminal,
		next: "The archive is not whole; restore another backup and look at how this one was made."},
	{find: regexp.MustCompile(`deployment plan generation`), class: bacvault.Terminal,
		next: "sqlpackage can't plan the import of this schema; try another release, or import with SSMS and report the fault."},
	{find: regexp.MustCompile(`\bMsg 2714\b`), class: bacvault.Terminal,
		next: "The schema mixes named and unnamed DEFAULT constraints, which sqlpackage can't import (DacFx issue 804); name all of them at the source."},
	{find: regexp.MustCompile(`\bMsg 4002\b`), class: bacvault.Terminal,
		next: "A json column with NULL before another column can't be imported yet (DacFx issue 788); watch for a release that repairs it."},
	{find: regexp.MustCompile(`String values exceeding Int32\.MaxValue`), class: bacvault.Terminal,
		next: "nvarchar(max) beside a vector column can't be imported yet (DacFx issue 726); watch for a release that repairs it."},
	{find: regexp.MustCompile(`\bMsg 42266\b`), class: bacvault.Terminal, next: "A vector index can't be imported before 170.5.96; install it or a later one."},
	{find: regexp.MustCompile(`\bMsg 547\b|conflicted with the FOREIGN KEY constraint`), class: bacvault.Terminal,
		next: "The archive is not consistent in itself, as that of a live export may be; restore a backup whose manifest says copy."},
	{find: regexp.MustCompile(`sid should be binary\(16\)`), class: bacvault.Terminal, next: "This sqlpackage can't import an Entra user's SID; install 170.5.96 or later."},
	{find: regexp.MustCompile(`Json serialization is not supported on \.NET Core`), class: bacvault.Terminal,
		next: "The archive has an old JSON form that only the .NET Framework sqlpackage reads (DacFx issue 510)."},
}
