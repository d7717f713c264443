package bench

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"runtime/pprof"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// profiling writes a profile of this process to a file, if one is named, from the
// first call that is measured on: not of how the log was read.
type profiling struct {
	name string
	data *bytes.Buffer // nil before
}

func (p *profiling) start() error {
	if p.name == "" || p.data != nil {
		return nil
	}
	p.data = &bytes.Buffer{}
	return pprof.StartCPUProfile(p.data)
}

func (p *profiling) stop() error {
	if p.data == nil {
		return nil
	}
	pprof.StopCPUProfile()
	profile, err := withoutFolders(p.data)
	if err != nil {
		return err
	}
	return os.WriteFile(p.name, profile, 0o644)
}

// profileTexts is the field of a profile (profile.proto of pprof) that holds all of
// its texts.
const profileTexts = 6

// withoutFolders returns a profile in which files have lost the folders that they lie
// in on this machine. A build guided by a profile goes by functions and lines.
func withoutFolders(compressed io.Reader) ([]byte, error) {
	reader, err := gzip.NewReader(compressed)
	if err != nil {
		return nil, err
	}
	profile, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	for len(profile) > 0 {
		number, kind, n := protowire.ConsumeTag(profile)
		m := protowire.ConsumeFieldValue(number, kind, profile[max(n, 0):])
		if n < 0 || m < 0 {
			return nil, fmt.Errorf("a profile of %d bytes more is damaged", len(profile))
		}
		field := profile[:n+m]
		profile = profile[n+m:]
		if number == profileTexts {
			text, _ := protowire.ConsumeString(field[n:])
			if strings.HasPrefix(text, "/") {
				field = protowire.AppendString(protowire.AppendTag(nil, number, kind), path.Base(text))
			}
		}
		if _, err := writer.Write(field); err != nil {
			return nil, err
		}
	}
	err = writer.Close()
	return out.Bytes(), err
}

func TestAProfileNamesNoFolders(t *testing.T) {
	var recorded bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&recorded, 0); err != nil {
		t.Fatal(err)
	}
	profile, err := withoutFolders(&recorded)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(plain, []byte("profile_test.go")) || !bytes.Contains(plain, []byte("bench.TestAProfileNamesNoFolders")) {
		t.Error("it lacks its files or functions")
	}
	if bytes.Contains(plain, []byte("/bench/profile_test.go")) {
		t.Error("it names the folder of a file")
	}
}
