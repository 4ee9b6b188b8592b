package bacvault

// ObjectKind is a kind of schema object, in the words of a report.
type ObjectKind string

// The kinds that both a model.xml and a server's catalogue count alike.
const (
	Tables             ObjectKind = "tables"
	Views              ObjectKind = "views"
	Procedures         ObjectKind = "procedures"
	Functions          ObjectKind = "functions"
	Triggers           ObjectKind = "triggers"
	Sequences          ObjectKind = "sequences"
	Synonyms           ObjectKind = "synonyms"
	UserTypes          ObjectKind = "user types"
	Indexes            ObjectKind = "indexes"
	PrimaryKeys        ObjectKind = "primary keys"
	UniqueConstraints  ObjectKind = "unique constraints"
	ForeignKeys        ObjectKind = "foreign keys"
	CheckConstraints   ObjectKind = "check constraints"
	DefaultConstraints ObjectKind = "default constraints"
	SecurityPolicies   ObjectKind = "security policies"
)

// ObjectKinds lists every kind, in the order of a report.
func ObjectKinds() []ObjectKind {
	return []ObjectKind{
		Tables, Views, Procedures, Functions, Triggers, Sequences, Synonyms, UserTypes, Indexes, PrimaryKeys, UniqueConstraints,
		ForeignKeys, CheckConstraints, DefaultConstraints, SecurityPolicies,
	}
}

// Schema is what a model.xml says, or a database shows, beside rows. CompatibilityLevel is 0 where it is not told.
// Principals are the users and roles that people made, sorted.
type Schema struct {
	Collation          string
	CompatibilityLevel int
	Objects            map[ObjectKind]int
	Principals         []string
}

// ObjectCheck is how many objects of a kind the archive's model has, and the restored database.
type ObjectCheck struct {
	Kind     ObjectKind `json:"kind"`
	Archive  int        `json:"archive"`
	Restored int        `json:"restored"`
}
