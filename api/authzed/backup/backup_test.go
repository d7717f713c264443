package backup

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/hamba/avro/v2/ocf"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/golden"
)

const (
	testSchema = "definition user {}\n\ndefinition team {\n\trelation member: user\n}\n"
	testToken  = "GhUKEzE3"
)

// avroRelationship and avroSchema are the records as a library for Avro has them,
// which knows nothing of this package.
type avroRelationship struct {
	ObjectType        string    `avro:"object_type"`
	ObjectID          string    `avro:"object_id"`
	Relation          string    `avro:"relation"`
	SubjectObjectType string    `avro:"subject_object_type"`
	SubjectObjectID   string    `avro:"subject_object_id"`
	SubjectRelation   string    `avro:"subject_relation"`
	CaveatName        string    `avro:"caveat_name"`
	CaveatContext     []byte    `avro:"caveat_context"`
	Expiration        time.Time `avro:"expiration"`
}

type avroSchema struct {
	SchemaText string `avro:"schema_text"`
}

// library is that library, with the records registered.
func library() avro.API {
	api := avro.Config{}.Freeze()
	api.Register(namespace+"."+relationshipName, avroRelationship{})
	api.Register(namespace+"."+schemaName, avroSchema{})
	return api
}

const (
	olderFields = `{"name":"object_type","type":"string"},{"name":"object_id","type":"string"},{"name":"relation","type":"string"},` +
		`{"name":"subject_object_type","type":"string"},{"name":"subject_object_id","type":"string"},{"name":"subject_relation","type":"string"},` +
		`{"name":"caveat_name","type":"string"},{"name":"caveat_context","type":"bytes"}`
	newerFields = olderFields + `,{"name":"expiration","type":{"type":"long","logicalType":"timestamp-millis"}}`
)

func layoutWith(fields string) string {
	return `[{"type":"record","name":"relationship_v1","namespace":"com.authzed.spicedb.backup","fields":[` + fields + `]},` +
		`{"type":"record","name":"schema_v1","namespace":"com.authzed.spicedb.backup","fields":[{"name":"schema_text","type":"string"}]}]`
}

// byLibrary makes a backup with the library.
func byLibrary(t testing.TB, layout string, codec ocf.CodecName, records ...any) []byte {
	t.Helper()
	var file bytes.Buffer
	e, err := ocf.NewEncoder(layout, &file, ocf.WithCodec(codec), ocf.WithEncodingConfig(library()), ocf.WithBlockLength(2),
		ocf.WithSyncBlock([16]byte{1, 2, 3}), ocf.WithMetadata(map[string][]byte{metaToken: []byte(testToken)}),
		ocf.WithEncoderSchemaCache(&avro.SchemaCache{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := e.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// world is a schema and one relationship of each kind.
func world(t testing.TB) []any {
	t.Helper()
	context, err := structpb.NewStruct(map[string]any{"hour": 9, "days": []any{"mon"}})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	return []any{
		avroSchema{testSchema},
		avroRelationship{ObjectType: "team", ObjectID: "core", Relation: "member", SubjectObjectType: "user", SubjectObjectID: "ana"},
		avroRelationship{ObjectType: "team", ObjectID: "all", Relation: "member", SubjectObjectType: "user", SubjectObjectID: "*"},
		avroRelationship{ObjectType: "doc", ObjectID: "a/b", Relation: "reader", SubjectObjectType: "team", SubjectObjectID: "core", SubjectRelation: "member"},
		avroRelationship{
			ObjectType: "doc", ObjectID: "plan", Relation: "reader", SubjectObjectType: "user", SubjectObjectID: "bo",
			CaveatName: "office", CaveatContext: encoded, Expiration: time.UnixMilli(4_102_444_800_123).UTC(),
		},
		avroRelationship{ObjectType: "doc", ObjectID: "plan", Relation: "reader", SubjectObjectType: "user", SubjectObjectID: "cy", CaveatName: "office"},
	}
}

// told spells all of a backup.
func told(file []byte) (string, error) {
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "at %s\n%s", r.Token(), r.Schema())
	for {
		t, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s:%s#%s@%s:%s#%s", t.Object.Type, t.Object.Id, t.Relation, t.Subject.Type, t.Subject.Id, t.Subject.Relation)
		if t.Caveat != nil {
			fmt.Fprintf(&b, " with %s %v", t.Caveat.Name, t.Caveat.Context.AsMap())
		}
		if t.ExpiresAt != nil {
			fmt.Fprintf(&b, " until %s", t.ExpiresAt.AsTime().Format(time.RFC3339Nano))
		}
		b.WriteByte('\n')
	}
}

const worldTold = "at " + testToken + "\n" + testSchema + `team:core#member@user:ana#
team:all#member@user:*#
doc:a/b#reader@team:core#member
doc:plan#reader@user:bo# with office map[days:[mon] hour:9] until 2100-01-01T00:00:00.123Z
doc:plan#reader@user:cy# with office map[]
`

func TestABackupMadeByALibraryForAvroIsRead(t *testing.T) {
	for _, codec := range []ocf.CodecName{ocf.Null, ocf.Deflate, ocf.Snappy} {
		got, err := told(byLibrary(t, layoutWith(newerFields), codec, world(t)...))
		if err != nil || got != worldTold {
			t.Errorf("%s: %v\n%s", codec, err, got)
		}
	}
	// Backups were without expirations once.
	got, err := told(byLibrary(t, layoutWith(olderFields), ocf.Snappy, world(t)...))
	if want := strings.ReplaceAll(worldTold, " until 2100-01-01T00:00:00.123Z", ""); err != nil || got != want {
		t.Errorf("the older form: %v\n%s", err, got)
	}
}

func TestABackupWithoutExpirationsIsRefusedIfThereMayHaveBeenSome(t *testing.T) {
	const expiring = "use expiration\n\ndefinition user {}\n\ndefinition team {\n\trelation member: user | user with expiration\n}\n"
	file := func(fields, text string) []byte {
		return byLibrary(t, layoutWith(fields), ocf.Snappy, avroSchema{text},
			avroRelationship{ObjectType: "team", ObjectID: "core", Relation: "member", SubjectObjectType: "user", SubjectObjectID: "ana"})
	}
	for _, test := range []struct {
		fields, text string
		want         error
	}{
		{olderFields, expiring, ErrNoExpirations},
		{newerFields, expiring, nil},
		{olderFields, "use expiration\n\ndefinition user {}\n", nil},
		{olderFields, "nonsense", nil},
	} {
		if _, err := NewReader(bytes.NewReader(file(test.fields, test.text))); !errors.Is(err, test.want) {
			t.Errorf("%q: %v, want %v", test.text, err, test.want)
		}
	}
}

func TestTheGoldenBackupIsRead(t *testing.T) {
	const name = "testdata/golden.zedbackup"
	if golden.Update() {
		if err := os.WriteFile(name, byLibrary(t, layoutWith(newerFields), ocf.Snappy, world(t)...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := told(file); err != nil || got != worldTold {
		t.Errorf("%v\n%s", err, got)
	}
}

// tuples reads the relationships of a backup.
func tuples(t testing.TB, file []byte) (list []*tupelov1.Tuple) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	for err == nil {
		var one *tupelov1.Tuple
		if one, err = r.Next(); err == nil {
			list = append(list, one)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return list
}

// written makes a backup with this package.
func written(t testing.TB, list []*tupelov1.Tuple) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, testSchema, testToken)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		if err := w.Write(one); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestABackupThatIsWrittenIsReadByALibraryForAvro(t *testing.T) {
	want := world(t)
	file := written(t, tuples(t, byLibrary(t, layoutWith(newerFields), ocf.Snappy, want...)))
	if got, err := told(file); err != nil || got != worldTold {
		t.Errorf("read here: %v\n%s", err, got)
	}
	d, err := ocf.NewDecoder(bytes.NewReader(file), ocf.WithDecoderConfig(library()), ocf.WithDecoderSchemaCache(&avro.SchemaCache{}))
	if err != nil {
		t.Fatal(err)
	}
	if token := string(d.Metadata()[metaToken]); token != testToken {
		t.Errorf("the token is %q", token)
	}
	for i := 0; d.HasNext(); i++ {
		var got any
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("record %d is %v, want %v", i, got, want[i])
		}
	}
	if d.Error() != nil {
		t.Error(d.Error())
	}
}

func TestABackupOfManyBlocksIsWhole(t *testing.T) {
	var list []*tupelov1.Tuple
	for i := range 2*writtenRecords + 7 {
		list = append(list, &tupelov1.Tuple{
			Object: &tupelov1.Object{Type: "team", Id: fmt.Sprint(i)}, Relation: "member", Subject: &tupelov1.Subject{Type: "user", Id: strings.Repeat("x", i%300)},
		})
	}
	file := written(t, list)
	got := tuples(t, file)
	if !slices.EqualFunc(got, list, func(a, b *tupelov1.Tuple) bool { return proto.Equal(a, b) }) {
		t.Errorf("%d tuples came back of %d", len(got), len(list))
	}
	if !bytes.Equal(file, written(t, list)) {
		t.Error("another backup of the same is not the same")
	}
}

func TestAnExpirationIsWrittenEarlierRatherThanLater(t *testing.T) {
	list := tuples(t, byLibrary(t, layoutWith(newerFields), ocf.Null, world(t)[:2]...))
	for _, at := range []time.Time{time.Unix(1_800_000_000, 1_999_999), time.Unix(-5, 1), time.Unix(0, 0)} {
		list[0].ExpiresAt = timestamppb.New(at)
		got := tuples(t, written(t, list))[0].ExpiresAt
		if got == nil || got.AsTime().After(at) || at.Sub(got.AsTime()) >= time.Millisecond {
			t.Errorf("%v came back as %v", at, got.AsTime())
		}
	}
}

func TestAFileThatIsNoBackupOrAnotherOneIsRefused(t *testing.T) {
	good := world(t)
	for name, test := range map[string]struct {
		file []byte
		want error
	}{
		"an empty file":      {nil, ErrFormat},
		"a text":             {[]byte("definition user {}"), ErrFormat},
		"another codec":      {byLibrary(t, layoutWith(newerFields), ocf.ZStandard, good...), ErrFormat},
		"an unknown field":   {bytes.Replace(byLibrary(t, layoutWith(newerFields), ocf.Null, good...), []byte(`"expiration"`), []byte(`"frobnicate"`), 1), ErrFormat},
		"another type":       {bytes.Replace(byLibrary(t, layoutWith(newerFields), ocf.Null, good...), []byte(`"object_type","type":"string"`), []byte(`"object_type","type":"double"`), 1), ErrFormat},
		"a record of others": {bytes.Replace(byLibrary(t, layoutWith(newerFields), ocf.Null, good...), []byte(`relationship_v1`), []byte(`relationship_v2`), 1), ErrFormat},
		"no schema":          {byLibrary(t, layoutWith(newerFields), ocf.Null), ErrDamaged},
		"no schema first":    {byLibrary(t, layoutWith(newerFields), ocf.Null, good[1]), ErrDamaged},
		"a second schema":    {byLibrary(t, layoutWith(newerFields), ocf.Null, good[0], good[0]), ErrDamaged},
		"a context alone":    {byLibrary(t, layoutWith(newerFields), ocf.Null, good[0], avroRelationship{CaveatContext: []byte{1}}), ErrDamaged},
		"no context":         {byLibrary(t, layoutWith(newerFields), ocf.Null, good[0], avroRelationship{CaveatName: "c", CaveatContext: []byte{255}}), ErrDamaged},
		"no UTF-8":           {byLibrary(t, layoutWith(newerFields), ocf.Null, good[0], avroRelationship{ObjectID: "\xff"}), ErrDamaged},
	} {
		if _, err := told(test.file); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestABackupWithAnyByteChangedOrMissingIsNotTakenForWhole tries each.
func TestABackupWithAnyByteChangedOrMissingIsNotTakenForWhole(t *testing.T) {
	file := byLibrary(t, layoutWith(newerFields), ocf.Snappy, world(t)...)
	whole := 0
	for i := range file {
		if got, err := told(file[:i]); err == nil && got != "" {
			whole++ // it ends where a block does, as a shorter backup would
		}
		changed := bytes.Clone(file)
		changed[i] ^= 0x20
		got, err := told(changed)
		// The token, which nothing in the form protects, is in the first line.
		_, got, _ = strings.Cut(got, "\n")
		if _, want, _ := strings.Cut(worldTold, "\n"); err == nil && got != want {
			t.Errorf("byte %d: %s", i, got)
		}
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	if whole > 3 {
		t.Errorf("%d of the shorter files are taken for backups", whole)
	}
}

func TestAFileThatClaimsToBeLargeIsRefusedWithoutTheRoom(t *testing.T) {
	head := byLibrary(t, layoutWith(newerFields), ocf.Snappy)
	claim := func(n int64, data ...byte) []byte {
		file := append(binary.AppendVarint(slices.Clone(head), 1), binary.AppendVarint(nil, n)...)
		return append(append(file, data...), 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	bomb := func() []byte { // says to have that much once it is decompressed
		return claim(8, append(binary.AppendUvarint(nil, 100<<20), 0, 0, 0, 0)...)
	}
	var zeros bytes.Buffer
	w, _ := flate.NewWriter(&zeros, flate.BestCompression)
	_, _ = io.CopyN(w, zeroReader{}, maxBlockBytes+1)
	_ = w.Close()
	deflated := byLibrary(t, layoutWith(newerFields), ocf.Deflate)
	deflated = append(binary.AppendVarint(deflated, 1), binary.AppendVarint(nil, int64(zeros.Len()))...)
	deflated = append(append(deflated, zeros.Bytes()...), 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for name, file := range map[string][]byte{
		"a long block": claim(maxBlockBytes), "a longer one": claim(1 << 62), "one of less than nothing": claim(-1),
		"a block that grows": bomb(), "zeros": deflated,
	} {
		if _, err := told(file); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bytesFor := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = told(claim(maxBlockBytes))
			_, _ = told(bomb())
		}
	}).AllocedBytesPerOp()
	if bytesFor > 1<<20 {
		t.Errorf("%d bytes were made room for", bytesFor)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzRead looks for files that crash a reader, or that it reads otherwise once they
// are written again.
func FuzzRead(f *testing.F) {
	for _, codec := range []ocf.CodecName{ocf.Null, ocf.Snappy, ocf.Deflate} {
		f.Add(byLibrary(f, layoutWith(newerFields), codec, world(f)...))
	}
	f.Add(byLibrary(f, layoutWith(olderFields), ocf.Null, world(f)...))
	f.Fuzz(func(t *testing.T, file []byte) {
		first, err := told(file)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoExpirations) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		var again bytes.Buffer
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		w, err := NewWriter(&again, r.Schema(), r.Token())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range tuples(t, file) {
			if err := w.Write(one); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		second, err := told(again.Bytes())
		if err != nil || second != first {
			t.Fatalf("%v\n%q\nbecame\n%q", err, first, second)
		}
	})
}
