package backup

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The names of the form.
const (
	namespace        = "com.authzed.spicedb.backup"
	schemaName       = "schema_v1"
	relationshipName = "relationship_v1"
	expirationName   = "expiration"

	metaLayout = "avro.schema"
	metaCodec  = "avro.codec"
	metaToken  = "com.authzed.spicedb.zedtoken.v1"
)

// magic begins every container.
const magic = "Obj\x01"

// noExpiration is the time that stands for none: that of Go's zero time.
var noExpiration = time.Time{}.UnixMilli()

// field is a field of a record.
type field struct {
	name string
	kind string // string, bytes or long
}

// record is one kind of records.
type record struct {
	name   string
	fields []field
}

// ours is the layout of the files that are written.
var ours = []record{
	{relationshipName, []field{
		{"object_type", "string"}, {"object_id", "string"}, {"relation", "string"},
		{"subject_object_type", "string"}, {"subject_object_id", "string"}, {"subject_relation", "string"},
		{"caveat_name", "string"}, {"caveat_context", "bytes"}, {expirationName, "long"},
	}},
	{schemaName, []field{{"schema_text", "string"}}},
}

// optional are the fields that older files do not have.
var optional = []string{expirationName}

// avroRecord is a record as JSON has it.
type avroRecord struct {
	Type      string      `json:"type"`
	Name      string      `json:"name"`
	Namespace string      `json:"namespace,omitempty"`
	Fields    []avroField `json:"fields"`
}

type avroField struct {
	Name string   `json:"name"`
	Type avroType `json:"type"`
}

// avroType is a type's name, alone or with what it stands for.
type avroType struct {
	Type        string `json:"type"`
	LogicalType string `json:"logicalType,omitempty"`
}

// UnmarshalJSON takes both forms.
func (t *avroType) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &t.Type) == nil {
		return nil
	}
	type plain avroType
	return json.Unmarshal(text, (*plain)(t))
}

// MarshalJSON prefers the short form.
func (t avroType) MarshalJSON() ([]byte, error) {
	if t.LogicalType == "" {
		return json.Marshal(t.Type)
	}
	type plain avroType
	return json.Marshal(plain(t))
}

// layoutJSON spells the layout of the files that are written.
func layoutJSON() ([]byte, error) {
	list := make([]avroRecord, len(ours))
	for i, r := range ours {
		list[i] = avroRecord{Type: "record", Name: r.name, Namespace: namespace}
		for _, f := range r.fields {
			t := avroType{Type: f.kind}
			if f.kind == "long" {
				t.LogicalType = "timestamp-millis"
			}
			list[i].Fields = append(list[i].Fields, avroField{f.name, t})
		}
	}
	return json.Marshal(list)
}

// parseLayout reads a layout, in which the two records may be in any order, and
// their fields too, but must be those that are known.
func parseLayout(text []byte) ([]record, error) {
	var list []avroRecord
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%w: its layout: %v", ErrFormat, err)
	}
	layout := make([]record, len(list))
	for i, r := range list {
		known := slices.IndexFunc(ours, func(o record) bool {
			return r.Name == namespace+"."+o.name || r.Name == o.name && r.Namespace == namespace
		})
		if known < 0 || r.Type != "record" {
			return nil, fmt.Errorf("%w: it has records of the kind %q", ErrFormat, r.Name)
		}
		layout[i].name = ours[known].name
		for _, f := range r.Fields {
			f := field{f.Name, f.Type.Type}
			if !slices.Contains(ours[known].fields, f) || slices.Contains(layout[i].fields, f) {
				return nil, fmt.Errorf("%w: its %s has a field %q of the type %q", ErrFormat, r.Name, f.name, f.kind)
			}
			layout[i].fields = append(layout[i].fields, f)
		}
		for _, f := range ours[known].fields {
			if !slices.Contains(layout[i].fields, f) && !slices.Contains(optional, f.name) {
				return nil, fmt.Errorf("%w: its %s has no field %q", ErrFormat, r.Name, f.name)
			}
		}
	}
	return layout, nil
}
