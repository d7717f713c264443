package target

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/store/tuple"
)

const (
	// permifyTenant is the tenant that every Permify has.
	permifyTenant = "t1"
	// permifyDepth bounds how far a check goes; nested needs more than 20.
	permifyDepth = 100
	// permifyBatch is how many tuples are written in one call, and permifyWriters
	// how many calls are under way at once, while tuples are loaded.
	permifyBatch   = 100
	permifyWriters = 8
	// permifyPage is the largest page of a list.
	permifyPage = 100
)

// permify is Permify, by JSON over HTTP.
type permify struct{ *jsonServer }

func openPermify(o Options) (load.Target, error) {
	if o.Addr == "" {
		return nil, fmt.Errorf("%w: there is no address to reach the server at", ErrOption)
	}
	return permify{newJSONServer(o.Addr, "/v1/tenants/"+permifyTenant, o.Token)}, nil
}

// The parts of Permify's messages.
type (
	permifyMetadata struct {
		SchemaVersion string `json:"schema_version"`
		SnapToken     string `json:"snap_token"`
		Depth         int    `json:"depth,omitempty"`
	}
	permifyObject struct {
		Type     string `json:"type"`
		ID       string `json:"id,omitempty"`
		Relation string `json:"relation,omitempty"`
	}
	permifyTuple struct {
		Entity   permifyObject `json:"entity"`
		Relation string        `json:"relation"`
		Subject  permifyObject `json:"subject"`
	}
	permifyCheck struct {
		Metadata   *permifyMetadata `json:"metadata,omitempty"`
		Entity     permifyObject    `json:"entity"`
		Permission string           `json:"permission"`
		Subject    permifyObject    `json:"subject"`
	}
	permifyResult struct {
		Can string `json:"can"`
	}
	permifyFilter struct {
		Type     string   `json:"type"`
		IDs      []string `json:"ids"`
		Relation string   `json:"relation,omitempty"`
	}
	permifyWritten struct {
		SnapToken string `json:"snap_token"`
	}
)

// Prepare writes the schema.
func (p permify) Prepare(ctx context.Context, s *dataset.Set, loaded bool) error {
	text, err := permifySchema(s.Schema())
	if err != nil || loaded {
		return err
	}
	body, err := json.Marshal(map[string]string{"schema": text})
	if err != nil {
		return err
	}
	return p.post(ctx, "/schemas/write", body, &struct{}{})
}

// Load writes tuples, many in a call and several calls at once, and the last one alone:
// on PostgreSQL, questions are answered from the snapshot that the write with the
// highest number began with, in which writes that were under way then are missing,
// acknowledged or not, until there is another.
func (p permify) Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error {
	write := func(ctx context.Context, batch []tuple.Named) error {
		body, err := permifyWrite(batch)
		if err != nil {
			return err
		}
		return p.post(ctx, "/data/write", body, &permifyWritten{})
	}
	var last []tuple.Named
	err := inBatches(ctx, allButLast(tuples, &last), permifyBatch, permifyWriters, write)
	if err != nil || len(last) == 0 {
		return err
	}
	return write(ctx, last)
}

// allButLast goes through tuples and keeps the last one back.
func allButLast(tuples iter.Seq[tuple.Named], last *[]tuple.Named) iter.Seq[tuple.Named] {
	return func(yield func(tuple.Named) bool) {
		for t := range tuples {
			before := *last
			*last = []tuple.Named{t}
			if len(before) > 0 && !yield(before[0]) {
				return
			}
		}
	}
}

// Request makes the message of an operation.
func (p permify) Request(o dataset.Operation, _ int) (load.Call, error) {
	if o.Consistency == dataset.FullyConsistent {
		return nil, notSupported("permify", o, "there is no way to ask for everything that was acknowledged")
	}
	switch o.Kind {
	case dataset.Check:
		return p.check(o)
	case dataset.BatchCheck:
		return p.batch(o)
	case dataset.ListObjects:
		return p.list("/permissions/lookup-entity", permifyLookup{
			Metadata: permifyMetadataOf(o), PageSize: permifyPage, EntityType: o.Ask.ObjectType, Permission: o.Ask.Relation,
			Subject: &permifyObject{o.Ask.SubjectType, o.Ask.SubjectID, o.Ask.SubjectRelation},
		}), nil
	case dataset.ListSubjects:
		return p.list("/permissions/lookup-subject", permifyLookup{
			Metadata: permifyMetadataOf(o), PageSize: permifyPage, Permission: o.Ask.Relation,
			Entity: &permifyObject{Type: o.Ask.ObjectType, ID: o.Ask.ObjectID}, SubjectReference: &permifyObject{Type: o.Ask.SubjectType},
		}), nil
	case dataset.Write:
		return p.write(o)
	}
	return nil, notSupported("permify", o, "this client has no form for its stream of changes")
}

func (p permify) check(o dataset.Operation) (load.Call, error) {
	one := permifyQuestion(o.Ask)
	metadata := permifyMetadataOf(o)
	one.Metadata = &metadata
	body, err := json.Marshal(one)
	return func(ctx context.Context) (dataset.Answer, error) {
		var result permifyResult
		if err := p.post(ctx, "/permissions/check", body, &result); err != nil {
			return dataset.Answer{}, err
		}
		yes, err := result.yes()
		return dataset.Answer{Yes: yes}, err
	}, err
}

func (p permify) batch(o dataset.Operation) (load.Call, error) {
	request := struct {
		Metadata permifyMetadata `json:"metadata"`
		Items    []permifyCheck  `json:"items"`
	}{Metadata: permifyMetadataOf(o)}
	for _, ask := range o.Batch {
		request.Items = append(request.Items, permifyQuestion(ask))
	}
	body, err := json.Marshal(request)
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		var response struct {
			Results []permifyResult `json:"results"`
		}
		if err := p.post(ctx, "/permissions/bulk-check", body, &response); err != nil {
			return answer, err
		}
		answer.Each = make([]bool, len(response.Results))
		for i, result := range response.Results {
			if answer.Each[i], err = result.yes(); err != nil {
				return answer, err
			}
		}
		return answer, nil
	}, err
}

// permifyLookup asks for a page of a list, of objects or of subjects.
type permifyLookup struct {
	Metadata         permifyMetadata `json:"metadata"`
	EntityType       string          `json:"entity_type,omitempty"`
	Entity           *permifyObject  `json:"entity,omitempty"`
	Permission       string          `json:"permission"`
	Subject          *permifyObject  `json:"subject,omitempty"`
	SubjectReference *permifyObject  `json:"subject_reference,omitempty"`
	PageSize         int             `json:"page_size"`
	ContinuousToken  string          `json:"continuous_token,omitempty"`
}

// list asks page by page.
func (p permify) list(path string, first permifyLookup) load.Call {
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		for request := first; ; {
			body, err := json.Marshal(request)
			if err != nil {
				return answer, err
			}
			var page struct {
				EntityIDs       []string `json:"entity_ids"`
				SubjectIDs      []string `json:"subject_ids"`
				ContinuousToken string   `json:"continuous_token"`
			}
			if err := p.post(ctx, path, body, &page); err != nil {
				return answer, err
			}
			for _, ids := range [][]string{page.EntityIDs, page.SubjectIDs} {
				for _, id := range ids {
					answer.Listed.Add(id)
				}
			}
			if request.ContinuousToken = page.ContinuousToken; page.ContinuousToken == "" {
				return answer, nil
			}
		}
	}
}

func (p permify) write(o dataset.Operation) (load.Call, error) {
	path := "/data/write"
	body, err := permifyWrite([]tuple.Named{o.Ask})
	if o.Delete {
		path = "/data/delete"
		body, err = json.Marshal(map[string]any{"attribute_filter": struct{}{}, "tuple_filter": map[string]any{
			"entity":   permifyFilter{Type: o.Ask.ObjectType, IDs: []string{o.Ask.ObjectID}},
			"relation": o.Ask.Relation,
			"subject":  permifyFilter{Type: o.Ask.SubjectType, IDs: []string{o.Ask.SubjectID}, Relation: o.Ask.SubjectRelation},
		}})
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		var written permifyWritten
		err := p.post(ctx, path, body, &written)
		return dataset.Answer{Token: written.SnapToken}, err
	}, err
}

// Version says that there is none: the documented calls have none for it.
func (p permify) Version(context.Context) (string, error) {
	return "", fmt.Errorf("permify: version: %w: there is no call for it", load.ErrNotSupported)
}

// Close ends the connections that are idle.
func (p permify) Close() error {
	p.close()
	return nil
}

// yes reads a result. The documentation spells it in two ways.
func (r permifyResult) yes() (bool, error) {
	switch strings.TrimPrefix(r.Can, "CHECK_") {
	case "RESULT_ALLOWED":
		return true, nil
	case "RESULT_DENIED":
		return false, nil
	}
	return false, noAnswer("the result is %q", r.Can)
}

func permifyMetadataOf(o dataset.Operation) permifyMetadata {
	return permifyMetadata{SnapToken: o.Token, Depth: permifyDepth}
}

func permifyQuestion(t tuple.Named) permifyCheck {
	return permifyCheck{
		Entity: permifyObject{Type: t.ObjectType, ID: t.ObjectID}, Permission: t.Relation,
		Subject: permifyObject{t.SubjectType, t.SubjectID, t.SubjectRelation},
	}
}

func permifyWrite(tuples []tuple.Named) ([]byte, error) {
	request := struct {
		Metadata permifyMetadata `json:"metadata"`
		Tuples   []permifyTuple  `json:"tuples"`
	}{}
	for _, t := range tuples {
		request.Tuples = append(request.Tuples, permifyTuple{
			Entity: permifyObject{Type: t.ObjectType, ID: t.ObjectID}, Relation: t.Relation,
			Subject: permifyObject{t.SubjectType, t.SubjectID, t.SubjectRelation},
		})
	}
	return json.Marshal(request)
}
