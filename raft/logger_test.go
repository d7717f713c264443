package raft

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// textLogger logs into b, without times.
func textLogger(b *bytes.Buffer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestRaftLogsIntoSlog(t *testing.T) {
	var b bytes.Buffer
	var l hclog.Logger = raftLogger{slog: textLogger(&b, slog.LevelDebug)}
	l.Trace("unseen")
	l.Debug("unseen")
	l.Info("b", "n", 1)
	l.Warn("c", "servers", hclog.Fmt("%+v", []int{1, 2}))
	l.With("peer", "n2").Named("x").Named("y").Error("d")
	l.Error("failed to heartbeat to", "peer", "n3")
	l.StandardLogger(nil).Print("e")
	want := `level=DEBUG msg=b n=1
level=WARN msg=c servers="[1 2]"
level=ERROR msg=d peer=n2 logger=x logger=x.y
level=WARN msg="failed to heartbeat to" peer=n3
level=INFO msg=e
`
	if b.String() != want {
		t.Errorf("logged\n%s", b.String())
	}
	if l.IsTrace() || l.IsDebug() || !l.IsInfo() || !l.IsWarn() || !l.IsError() || l.GetLevel() != hclog.Info {
		t.Error("levels")
	}
	named := l.With("k", "v").Named("x")
	if named.Name() != "x" || len(named.ImpliedArgs()) != 2 {
		t.Errorf("%q %v", named.Name(), named.ImpliedArgs())
	}
	l.SetLevel(hclog.Error)
	if quieter := (raftLogger{slog: textLogger(&b, slog.LevelError)}); quieter.GetLevel() != hclog.Error || l.GetLevel() != hclog.Info {
		t.Error("the level is slog's")
	}
}

func TestWhatPebbleCallsFatalFailsTheLogOnce(t *testing.T) {
	var b bytes.Buffer
	var failures []error
	s := &logStore{logger: textLogger(&b, slog.LevelInfo), onFailure: func(err error) { failures = append(failures, err) }}
	l := pebbleLogger{s}
	l.Infof("quiet %d", 1)
	l.Errorf("loud %d", 2)
	l.Fatalf("last %d: %v", 3, errBroken)
	l.Fatalf("later")
	if got := b.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `level=ERROR msg="raft log: loud 2"`) {
		t.Error(got)
	}
	if len(failures) != 1 || failures[0].Error() != "write the raft log: last 3: broken" || !errors.Is(s.failed(), errBroken) {
		t.Errorf("%v", failures)
	}
}
