package durable

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// afterPowerLoss is what is left of a file system if nothing unsynced is.
func afterPowerLoss(fs *vfs.MemFS) *vfs.MemFS { return fs.CrashClone(vfs.CrashCloneCfg{}) }

func isThere(fs vfs.FS, name string) bool {
	_, err := fs.Stat(name)
	return err == nil
}

func TestADirectoryAndItsParentsSurviveALossOfPower(t *testing.T) {
	fs := vfs.NewCrashableMem()
	if err := fs.MkdirAll("/unsynced/below", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(fs, "/made/below/deeply"); err != nil {
		t.Fatal(err)
	}
	// Again, and with parents that are there.
	if err := errors.Join(MakeDir(fs, "/made/below/deeply"), MakeDir(fs, "/made/beside")); err != nil {
		t.Fatal(err)
	}
	left := afterPowerLoss(fs)
	for name, want := range map[string]bool{"/made/below/deeply": true, "/made/beside": true, "/unsynced/below": false} {
		if isThere(left, name) != want {
			t.Errorf("%s is there: %v, want %v", name, !want, want)
		}
	}
}

func TestWhatIsMadeBeforeAMarkerIsThereIfTheMarkerIs(t *testing.T) {
	for name, want := range map[string]bool{"/marker.manifest.000002": true, "/MANIFEST-000003": false} {
		memory := vfs.NewCrashableMem()
		fs := Markers{memory}
		for _, name := range []string{"/MANIFEST-000002", name} {
			f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got := isThere(afterPowerLoss(memory), "/MANIFEST-000002"); got != want {
			t.Errorf("before %s was made the manifest survived: %v, want %v", name, got, want)
		}
	}
}

func TestADirectoryThatCannotBeSyncedIsAnError(t *testing.T) {
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync {
			return errorfs.ErrInjected
		}
		return nil
	}))
	if err := SyncDirs(fs, "/"); !errors.Is(err, errorfs.ErrInjected) {
		t.Error(err)
	}
	if err := MakeDir(fs, "/made"); !errors.Is(err, errorfs.ErrInjected) {
		t.Error(err)
	}
}
