package api

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxMetadataBytes bounds what a writer may say of a change; tupelo.proto names it.
const maxMetadataBytes = 65000

// maxStructDepth bounds how deep values nest, so that whoever reads them can
// do so by recursion.
const maxStructDepth = 32

// metadataOf returns the bytes that the store keeps for a writer's metadata:
// the message itself.
func metadataOf(metadata *structpb.Struct) ([]byte, error) {
	if len(metadata.GetFields()) == 0 {
		return nil, nil
	}
	if size := proto.Size(metadata); size > maxMetadataBytes {
		return nil, fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "metadata",
			"it has %d bytes, %d are allowed", size, maxMetadataBytes)
	}
	if err := validateStruct(metadata, maxStructDepth); err != nil {
		return nil, within("metadata", err)
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(metadata)
	if err != nil {
		return nil, fmt.Errorf("encoding metadata: %w", err)
	}
	return data, nil
}

// metadataMessage is the way back. Commands are made in this package only, so
// an error is a fault of the disk or of this code.
func metadataMessage(data []byte) (*structpb.Struct, error) {
	if len(data) == 0 {
		return nil, nil
	}
	metadata := &structpb.Struct{}
	if err := proto.Unmarshal(data, metadata); err != nil {
		return nil, fmt.Errorf("decoding metadata: %w", err)
	}
	return metadata, nil
}

// validateStruct refuses what JSON could not hold: values of no kind, numbers
// that are none, and nesting without end.
func validateStruct(s *structpb.Struct, depth int) error {
	if err := knownFieldsOnly(s); err != nil {
		return err
	}
	for name, value := range s.GetFields() {
		if err := validateValue(value, depth-1); err != nil {
			return within(fmt.Sprintf("fields[%q]", name), err)
		}
	}
	return nil
}

func validateValue(value *structpb.Value, depth int) error {
	if depth < 0 {
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "", "values may nest %d deep", maxStructDepth)
	}
	switch kind := value.GetKind().(type) {
	case nil:
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "", "a value is needed; null is one too")
	case *structpb.Value_NumberValue:
		if math.IsNaN(kind.NumberValue) || math.IsInf(kind.NumberValue, 0) {
			return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "", "%v is no number in JSON", kind.NumberValue)
		}
	case *structpb.Value_StructValue:
		return validateStruct(kind.StructValue, depth)
	case *structpb.Value_ListValue:
		for i, element := range kind.ListValue.GetValues() {
			if err := validateValue(element, depth-1); err != nil {
				return within(fmt.Sprintf("values[%d]", i), err)
			}
		}
	}
	return nil
}
