package api

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func structOf(t testing.TB, fields map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(fields)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAWatchGivesWhatTheWriterSaidOfTheChange(t *testing.T) {
	w := newWorld(t, gitclub)
	g := w.watch(t, &tupelov1.WatchRequest{})
	said := structOf(t, map[string]any{
		"actor": "user:carol", "ticket": 4711.5, "urgent": true, "none": nil,
		"request": map[string]any{"id": "r-1", "hops": []any{"web", 2.0}},
	})
	write := updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns)
	write.Metadata = said
	if _, err := w.client.Write(w.ctx, write); err != nil {
		t.Fatal(err)
	}
	w.touch(t, bobReads)
	_, err := w.client.DeleteByFilter(w.ctx, &tupelov1.DeleteByFilterRequest{
		Filter: &tupelov1.Filter{ObjectType: "repository"}, Metadata: structOf(t, map[string]any{"why": "closed"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []*structpb.Struct{said, nil, structOf(t, map[string]any{"why": "closed"})} {
		r, err := g.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(r.Metadata, want) {
			t.Errorf("change %d has the metadata %v, want %v", i, r.Metadata, want)
		}
	}
}

func TestMetadataIsGivenWithTheFirstMessageOfItsRevisionOnly(t *testing.T) {
	w := newWorld(t, gitclub)
	g := w.watch(t, &tupelov1.WatchRequest{})
	long := strings.Repeat("a", 1000)
	r := &tupelov1.WriteRequest{Metadata: structOf(t, map[string]any{"why": "many"})}
	for i := range 1000 {
		id := long + string(rune('a'+i/100)) + string(rune('a'+i/10%10)) + string(rune('a'+i%10))
		r.Updates = append(r.Updates, updates(t, tupelov1.Update_OPERATION_TOUCH, "repository:"+id+"#owner@user:"+id).Updates...)
	}
	if _, err := w.client.Write(w.ctx, r); err != nil {
		t.Fatal(err)
	}
	messages := 0
	for last := false; !last; messages++ {
		m, err := g.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if has := m.Metadata != nil; has != (messages == 0) {
			t.Errorf("message %d has metadata: %v", messages, has)
		}
		last = m.Zookie != ""
	}
	if messages < 2 {
		t.Errorf("%d messages", messages)
	}
}

func TestMetadataOfTheLargestSizePasses(t *testing.T) {
	w := newWorld(t, gitclub)
	for size, passes := range map[int]bool{maxMetadataBytes: true, maxMetadataBytes + 1: false} {
		s := structOf(t, map[string]any{"k": ""})
		overhead := proto.Size(structOf(t, map[string]any{"k": strings.Repeat("a", 60000)})) - 60000
		s.Fields["k"] = structpb.NewStringValue(strings.Repeat("a", size-overhead))
		if got := proto.Size(s); got != size {
			t.Fatalf("the test's metadata has %d bytes, not %d", got, size)
		}
		r := updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns)
		r.Metadata = s
		if _, err := w.client.Write(w.ctx, r); (err == nil) != passes {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// What cannot be read is a fault, not a change without metadata.
func TestDamagedMetadataEndsAWatch(t *testing.T) {
	if _, err := metadataMessage([]byte("\xff\xff")); err == nil {
		t.Error("it passes")
	}
	if m, err := metadataMessage(nil); m != nil || err != nil {
		t.Errorf("none: %v, %v", m, err)
	}
}

// badMetadata are the faults of metadata, which Write and DeleteByFilter share.
func badMetadata(t *testing.T) (list []badInput) {
	const invalid = "InvalidArgument"
	value := func(v *structpb.Value) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"why": v}}
	}
	deep := structpb.NewNullValue()
	for range maxStructDepth {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	inList := structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewNullValue(), {}}})
	for _, c := range []struct {
		name          string
		metadata      *structpb.Struct
		reason, field string
		says          string
	}{
		{"large metadata", value(structpb.NewStringValue(strings.Repeat("a", maxMetadataBytes))), "OUT_OF_BOUNDS", "metadata", "65000 are allowed"},
		{"metadata without a value", value(&structpb.Value{}), "MISSING_FIELD", `metadata.fields["why"]`, "null"},
		{"metadata without a value in a list", value(inList), "MISSING_FIELD", `metadata.fields["why"].values[1]`, "null"},
		{"metadata that is no number", value(structpb.NewNumberValue(math.NaN())), "OUT_OF_BOUNDS", `metadata.fields["why"]`, "NaN"},
		{"metadata without end", value(structpb.NewNumberValue(math.Inf(-1))), "OUT_OF_BOUNDS", `metadata.fields["why"]`, "-Inf"},
		{"metadata that nests", value(deep), "OUT_OF_BOUNDS", `metadata.fields["why"]` + strings.Repeat(".values[0]", maxStructDepth), "32 deep"},
		{"an unknown field in metadata", withUnknownField(value(structpb.NewNullValue())), "UNKNOWN_FIELD", "metadata", ""},
	} {
		write := updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns)
		write.Metadata = c.metadata
		list = append(list,
			badInput{"Write " + c.name, write, invalid, c.reason, c.field, c.says},
			badInput{"DeleteByFilter " + c.name, &tupelov1.DeleteByFilterRequest{
				Filter: &tupelov1.Filter{ObjectType: "team"}, Metadata: c.metadata,
			}, invalid, c.reason, c.field, c.says})
	}
	return list
}
