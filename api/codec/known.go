package codec

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// structBytes is the longest struct that is read here: too short to nest as deep as
// the library stops at, which depends on how deep the struct lies itself.
const structBytes = 4096

// ReadStruct reads a struct that is the first of its field. There is no fast way of
// reading it, but what it is in has one.
func ReadStruct(data []byte, first bool) (*structpb.Struct, bool) {
	if !first || len(data) > structBytes {
		return nil, false
	}
	s := &structpb.Struct{}
	return s, proto.Unmarshal(data, s) == nil
}
