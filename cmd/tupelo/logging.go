package main

import (
	"io"
	"log/slog"
)

// logLevels are the words for --log-level.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}

// newLogger returns the server's log, in the form and from the level that the
// settings name.
func newLogger(w io.Writer, o *serveOptions) *slog.Logger {
	options := &slog.HandlerOptions{Level: logLevels[o.logLevel.value]}
	if o.logFormat.value == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
