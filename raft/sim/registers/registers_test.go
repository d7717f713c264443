package registers

import (
	"errors"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

func TestWhatIsWrittenIsWhatAWatchAndChecksTellOfIt(t *testing.T) {
	told := 0
	for value := range Most("r1") + 1 {
		stored := map[string]bool{}
		message := &tupelov1.WatchResponse{}
		for _, u := range Setting("r1", value).Updates {
			set := u.Operation == tupelov1.Update_OPERATION_TOUCH
			stored[u.Tuple.Subject.Id] = set
			if set {
				message.Changes = append(message.Changes, &tupelov1.TupleChange{Operation: tupelov1.TupleChange_OPERATION_TOUCHED, Tuple: u.Tuple})
			}
		}
		answer := &tupelov1.BatchCheckResponse{}
		for _, q := range Questions("r1") {
			result := tupelov1.Result_RESULT_NO
			if stored[q.Subject.Id] {
				result = tupelov1.Result_RESULT_YES
			}
			answer.Results = append(answer.Results, &tupelov1.BatchCheckResult{Result: result})
		}
		if got, err := Value(answer); err != nil || got != value {
			t.Errorf("%d is read as %d, %v", value, got, err)
		}
		changes, err := Changes(message)
		if err != nil {
			t.Fatal(err)
		}
		watched := 0
		for _, c := range changes {
			if c.Register == "r1" && c.Set {
				watched |= 1 << c.Bit.Bit
			}
		}
		if watched != value {
			t.Errorf("%d is watched as %d", value, watched)
		}
		told++
	}
	if told != 256 {
		t.Errorf("there are %d values", told)
	}
}

func TestTheSchemaTellsItsNumber(t *testing.T) {
	for number := range Most(history.Schema) + 1 {
		if got, err := SchemaNumber(SchemaText(number)); err != nil || got != number {
			t.Errorf("version %d tells %d, %v", number, got, err)
		}
	}
	if _, err := SchemaNumber("definition user {}"); !errors.Is(err, ErrAnswer) {
		t.Errorf("a schema without a number is refused with %v", err)
	}
}

func TestAnAnswerThatIsNeitherYesNorNoIsRefused(t *testing.T) {
	_, err := Value(&tupelov1.BatchCheckResponse{Results: []*tupelov1.BatchCheckResult{{}}})
	if !errors.Is(err, ErrAnswer) {
		t.Errorf("it is refused with %v", err)
	}
}
