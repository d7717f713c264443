package authzed

import "testing"

func TestVersionsOfAllKindsOfBuildsHaveAFormThatZedTakes(t *testing.T) {
	for build, want := range map[string]string{
		"":        "v0.0.0+tupelo",
		"(devel)": "v0.0.0-devel+tupelo",
		"v1.2.3":  "v1.2.3+tupelo",
		"v0.0.0-20261101120000-0123456789ab+dirty": "v0.0.0-20261101120000-0123456789ab+dirty.tupelo",
	} {
		if got := versionOf(build); got != want {
			t.Errorf("of %q: %q, want %q", build, got, want)
		}
	}
}
