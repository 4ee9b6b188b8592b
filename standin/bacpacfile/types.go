// Package bacpacfile decodes real bacpacs into rows and encodes rows into genuine bacpacs, for the SQL Server and the
// sqlpackage stand-ins. It shares no code with the product's reader, so that the two can contradict each other.
package bacpacfile

// File is a whole bacpac in memory.
type File struct {
	Model  Model
	Tables []TableData // in the order of the model
	// DatabaseName stands in DacMetadata.xml.
	DatabaseName string
}

// TableData is a table with its rows.
type TableData struct {
	Table Table
	Rows  [][]any // one value for each stored column, in the order of Table.Columns
}

// Model is what model.xml says, and its exact bytes.
type Model struct {
	XML    []byte
	Tables []Table
	// Objects counts Element types, for Origin.xml's ObjectCounts.
	Objects map[string]int
}

// Table is a table and the columns that have data (computed ones have none).
type Table struct {
	Schema, Name string
	Columns      []Column
}

// Column is a stored column. Type is the built-in base type, lower case (an alias type is resolved to its base).
//
// A value in a row is nil for NULL, else by Type:
//
//	tinyint smallint int bigint          int64
//	bit                                  bool
//	real                                 float32
//	float                                float64
//	decimal numeric money smallmoney     string, plain decimal text with exactly Scale digits (money 4)
//	date time datetime2 datetime smalldatetime   time.Time in UTC (time: on 0001-01-01; datetime as 1/300 s rounded to 100 ns)
//	datetimeoffset                       time.Time in a fixed zone
//	uniqueidentifier                     [16]byte as in the BCP payload
//	char varchar nchar nvarchar text ntext xml   string
//	binary varbinary image rowversion    []byte
//	hierarchyid geography geometry       []byte, the CLR type's own serialization
//
// sql_variant, json, vector and CLR types of one's own have no value form.
type Column struct {
	Name      string
	Type      string
	Alias     string // the alias type's name, empty without one
	Length    int    // characters or bytes; -1 means (max)
	Precision int
	Scale     int
	Nullable  bool
	Identity  bool
}
