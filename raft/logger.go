package raft

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// raftLogger lets hashicorp/raft log into slog. What it calls information is
// of interest to who debugs raft, so it goes one level down.
type raftLogger struct {
	slog *slog.Logger
	name string
	args []any
}

var _ hclog.Logger = raftLogger{}

func slogLevel(l hclog.Level) slog.Level {
	switch {
	case l >= hclog.Error:
		return slog.LevelError
	case l == hclog.Warn:
		return slog.LevelWarn
	case l == hclog.Info:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

// ofOthers are what hashicorp/raft calls errors, and are how one node sees that
// another is stopped, restarted or leads: nothing is wrong with this one.
var ofOthers = map[string]bool{
	"failed to heartbeat to":                    true,
	"failed to appendEntries to":                true,
	"failed to pipeline appendEntries":          true,
	"failed to start pipeline replication to":   true,
	"failed to make requestVote RPC":            true,
	"failed to decode incoming command":         true,
	"failed to flush response":                  true,
	"peer has newer term, stopping replication": true,
}

// Log implements hclog.Logger.
func (l raftLogger) Log(level hclog.Level, msg string, args ...any) {
	if level == hclog.Error && ofOthers[msg] {
		level = hclog.Warn
	}
	if !l.enabled(level) {
		return
	}
	args = slices.Clone(args)
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			if format, ok := f[0].(string); ok {
				args[i] = fmt.Sprintf(format, f[1:]...)
			}
		}
	}
	l.slog.Log(context.Background(), slogLevel(level), msg, args...)
}

func (l raftLogger) enabled(level hclog.Level) bool {
	return l.slog.Enabled(context.Background(), slogLevel(level))
}

// The rest of hclog.Logger, in terms of Log.

func (l raftLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l raftLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l raftLogger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l raftLogger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l raftLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l raftLogger) IsTrace() bool { return l.enabled(hclog.Trace) }
func (l raftLogger) IsDebug() bool { return l.enabled(hclog.Debug) }
func (l raftLogger) IsInfo() bool  { return l.enabled(hclog.Info) }
func (l raftLogger) IsWarn() bool  { return l.enabled(hclog.Warn) }
func (l raftLogger) IsError() bool { return l.enabled(hclog.Error) }

func (l raftLogger) ImpliedArgs() []any { return l.args }
func (l raftLogger) Name() string       { return l.name }

func (l raftLogger) With(args ...any) hclog.Logger {
	return raftLogger{l.slog.With(args...), l.name, append(slices.Clone(l.args), args...)}
}

func (l raftLogger) Named(name string) hclog.Logger {
	if l.name != "" {
		name = l.name + "." + name
	}
	return l.ResetNamed(name)
}

func (l raftLogger) ResetNamed(name string) hclog.Logger {
	return raftLogger{l.slog.With("logger", name), name, l.args}
}

// SetLevel does nothing: the level is slog's.
func (l raftLogger) SetLevel(hclog.Level) {}

func (l raftLogger) GetLevel() hclog.Level {
	for _, level := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn} {
		if l.enabled(level) {
			return level
		}
	}
	return hclog.Error
}

func (l raftLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.slog.Handler(), slog.LevelInfo)
}

func (l raftLogger) StandardWriter(o *hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(o).Writer()
}

// pebbleLogger lets the log's Pebble log into slog, and turns what it calls
// fatal into a failure of the log store: Pebble expects the call not to return,
// and a library must not end the process.
type pebbleLogger struct{ store *logStore }

// Infof implements pebble.Logger.
func (l pebbleLogger) Infof(format string, args ...any) {
	if l.store.logger.Enabled(context.Background(), slog.LevelDebug) {
		l.store.logger.Debug("raft log: " + fmt.Sprintf(format, args...))
	}
}

// Errorf implements pebble.Logger.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.store.logger.Error("raft log: " + fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	failure := pebbleFailure{text: "write the raft log: " + fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			failure.cause = err
		}
	}
	l.store.fail(failure)
}

// pebbleFailure is Pebble's last message, and the error it was about.
type pebbleFailure struct {
	text  string
	cause error
}

func (f pebbleFailure) Error() string { return f.text }
func (f pebbleFailure) Unwrap() error { return f.cause }
