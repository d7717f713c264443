package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushLimit bounds the sending of the last traces at the end.
const flushLimit = 5 * time.Second

// traces sends traces to a collector, if one is configured; nil sends none.
type traces struct {
	sdk *sdktrace.TracerProvider
}

// startTraces prepares the sending of traces to endpoint or, if it is empty,
// to where OpenTelemetry's standard variables say. Those variables also decide
// about samplers, headers, certificates and the resource's attributes.
func startTraces(ctx context.Context, endpoint string, logger *slog.Logger) (*traces, error) {
	if !tracesWanted(endpoint) {
		return nil, nil
	}
	if err := supported(); err != nil {
		return nil, err
	}
	var options []otlptracegrpc.Option
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, usagef("serve: --otlp-endpoint %q is not a URL such as http://localhost:4317", endpoint)
		}
		options = append(options, otlptracegrpc.WithEndpointURL(endpoint))
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("preparing to send traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String("service.name", "tupelo"),
			attribute.String("service.version", readBuild().Version)),
		resource.WithHost(),
		resource.WithFromEnv(), // the last one counts
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing to send traces: %w", err), exporter.Shutdown(ctx))
	}
	// The exporter has no other way to say that the collector is not there.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("traces could not be sent", "error", err)
	}))
	return &traces{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}, nil
}

func tracesWanted(endpoint string) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return endpoint != "" ||
		os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
		os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// supported refuses what the standard variables may ask for and this build
// cannot do, rather than send elsewhere or otherwise than was meant.
func supported() error {
	for _, v := range []struct{ name, only string }{
		{"OTEL_TRACES_EXPORTER", "otlp"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"},
	} {
		if got := os.Getenv(v.name); got != "" && got != v.only {
			return fmt.Errorf("%s=%s is not supported, only %s is", v.name, got, v.only)
		}
	}
	return nil
}

// provider returns what makes traces, or nil.
func (t *traces) provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.sdk
}

// close sends what is left. A collector that is not there is the log's to
// tell of, and no reason to fail.
func (t *traces) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	if err := t.sdk.Shutdown(ctx); err != nil && ctx.Err() == nil {
		otel.Handle(err)
	}
}
